"""The shipped suite `step-essentials`: its shape, and that both languages of a pair ask for the same clip."""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections import Counter
from importlib.resources import files

import pytest

import stepbench
from stepbench.records import SAFE_ID

FOLDER = files("stepbench.suites") / "data" / "step-essentials"
LINES = (FOLDER / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
ROWS = [json.loads(line) for line in LINES]
# English at even, Chinese at odd places: `test_pairs_stand_together` guards the reading of every pair test below.
PAIRS = list(zip(ROWS[::2], ROWS[1::2], strict=True))

CATEGORIES = [
    "Sports",
    "Food",
    "Scenery",
    "Animals",
    "Festivals",
    "Combination Concepts",
    "Surreal",
    "People",
    "3D Animation",
    "Cinematography",
    "Style",
]
DIFFICULTIES = ("easy", "medium", "hard")
ASPECTS = {
    "action",
    "camera",
    "physics",
    "multiple-subjects",
    "counting",
    "text",
    "lighting",
    "hands",
    "water",
    "close-up",
    "slow-motion",
    "timelapse",
    "animal",
    "crowd",
    "colour",
    "spatial-relation",
}
WORDS_BY_DIFFICULTY = {"easy": (8, 22), "medium": (20, 40), "hard": (30, 60)}
HAN_BY_DIFFICULTY = {"easy": (12, 40), "medium": (30, 70), "hard": (42, 90)}

# Names that read as plain words elsewhere ("apple", "shell", "tesla coil") are left out on purpose.
FORBIDDEN_EN = (
    "adidas|airbnb|airbus|aldi|amazon|android|audi|barbie|batman|bentley|beyonce|bmw|boeing|bollywood|bugatti|"
    "bullet[- ]?time|buzz|cadillac|chanel|chevrolet|chiquita|cirque|claymation|coca[- ]?cola|coke|costco|dali|dior|"
    "disney|disneyland|dreamworks|dumbledore|dunkin|eiffel|einstein|elsa|facebook|fedex|ferrari|fifa|fitbit|frisbee|"
    "ghibli|godzilla|gogh|google|gopro|gucci|hasbro|heineken|hello[- ]?kitty|hermes|hitchcock|hogwarts|hokusai|"
    "hollywood|honda|hulk|hummer|hyundai|ikea|imax|instagram|iphone|ironman|jacuzzi|jedi|jeep|kardashian|kodak|"
    "kubrick|lamborghini|lego|legoland|leica|lexus|mario|marvel|matrix|mattel|mcdonald|mcdonalds|mcqueen|mercedes|"
    "messi|mickey|microsoft|minecraft|minion|minions|miyazaki|mona[- ]?lisa|monet|muppet|nasa|nba|netflix|nfl|nike|"
    "nikon|nintendo|nolan|obama|olympic|olympics|optimus|pandora|pepsi|picasso|pikachu|pixar|plasticine|playdoh|"
    "playstation|pokemon|polaroid|popsicle|porsche|potter|putin|risograph|rolex|ronaldo|rubik|samsung|shrek|simba|"
    "sony|spider[- ]?man|spiderman|spielberg|starbucks|starwars|steadicam|styrofoam|superman|tarantino|"
    "taylor[- ]?swift|technicolor|tesla|tiktok|titanic|toyota|transformers|trump|tupperware|uber|vans|velcro|vermeer|"
    "vespa|visa|volkswagen|volvo|wall[- ]?e|walle|warhol|wes[- ]?anderson|xbox|xerox|yoda|youtube|zamboni|zelda"
)
FORBIDDEN_ZH = (
    "阿迪达斯|耐克|奥林匹克|奥运|世界杯|可口可乐|百事|麦当劳|肯德基|星巴克|迪士尼|皮克斯|吉卜力|宫崎骏|新海诚|梦工厂|"
    "漫威|乐高|芭比|任天堂|马里奥|宝可梦|皮卡丘|我的世界|变形金刚|擎天柱|钢铁侠|蜘蛛侠|蝙蝠侠|超人|绿巨人|哈利|波特|"
    "冰雪奇缘|小黄人|巴斯光年|辛巴|史瑞克|瓦力|尼莫|哥斯拉|孙悟空|哪吒|华为|抖音|微信|阿里|腾讯|特斯拉|奔驰|宝马|"
    "奥迪|丰田|本田|法拉利|保时捷|香奈儿|古驰|茅台|青岛啤酒|老干妈|拍立得|梅西|罗纳尔多|姚明|成龙|李小龙|梵高|莫奈|"
    "毕加索|达利|葛饰北斋|齐白石|徐悲鸿|张大千|希区柯克|诺兰|斯皮尔伯格|王家卫|张艺谋|埃菲尔|东方明珠|故宫|天安门"
)

NUMBERS_EN = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
NUMBERS_ZH = dict(zip("两二三四五六七八九十", [2, 2, 3, 4, 5, 6, 7, 8, 9, 10], strict=True))
MEASURE_WORDS = "名位个只条张块瓣半根朵颗粒枝支扇把台艘排团杯人代层季枚"

# English fact -> Chinese spellings; each must stand in both languages of a pair or in neither.
FACTS = {
    r"\bred(-haired)?\b": "红(?!节)",
    r"\borange\b": "橙|橘",
    r"\byellow\b": "(?<![金蛋])黄(?!昏)",
    r"\bblue\b": "蓝(?!绿)",
    r"\b(greens?|turquoise|teal|emerald)\b": "绿",
    r"\bpink\b": "粉色",
    r"\bpurple\b": "紫",
    r"\bbrown\b": "棕",
    r"\bgrey(-haired)?\b": "灰|苍鹭",
    r"\bwhite\b": "(?<!银)白(?![雪汽])",
    r"\bleft\b": "左",
    r"\bright\b": "右",
    r"\b(middle|between)\b": "中间|之间",
    r"\bslow motion\b": "慢动作",
    r"\btimelapse\b": "延时摄影",
    r"\bmacro\b": "微距",
    r"\b(static|locked-off|fixed)\b": "固定",
    r"\b(aerial|drone)\b": "航拍|无人机",
    r"\blow(-| )angle\b": "低角度|仰拍",
    r"\b(one continuous|one locked-off)\b": "一镜到底",
    r"\blong lens\b": "长焦",
    r"\bhandheld\b": "手持",
    r"\bclose-up of\b": "^特写",
}


def english_numbers(text: str) -> set[str]:
    words = re.findall(r"[a-z]+", text.casefold())
    return {str(NUMBERS_EN[word]) for word in words if word in NUMBERS_EN} | digits(text)


def chinese_numbers(text: str) -> set[str]:
    found = re.findall(rf"([{''.join(NUMBERS_ZH)}])(?=[{MEASURE_WORDS}])", text)
    return {str(NUMBERS_ZH[numeral]) for numeral in found} | digits(text)


def digits(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def difficulty(row: dict) -> str:
    return next(tag for tag in row["tags"] if tag in DIFFICULTIES)


def pair_id(pair: tuple[dict, dict]) -> str:
    return pair[0]["pair_id"]


def test_card():
    card = tomllib.loads((FOLDER / "suite.toml").read_text(encoding="utf-8"))
    assert (card["name"], card["version"], card["licence"]) == ("step-essentials", "1.0.0", "Apache-2.0")
    assert card["languages"] == ["en", "zh"]
    # No geometry: a suite that fixed one would make the native sizes of models incomparable by accident.
    assert card["defaults"] == {"negative_prompt": ""}


def test_loads_by_name_as_it_is_written():
    suite = stepbench.load_suite("step-essentials")
    assert [prompt.to_json() for prompt in suite.prompts] == ROWS


def test_eleven_categories_of_twelve_pairs_in_order():
    assert [english["category"] for english, _ in PAIRS] == [name for name in CATEGORIES for _ in range(12)]


def test_four_prompts_of_each_difficulty_per_category():
    counts = Counter((english["category"], difficulty(english)) for english, _ in PAIRS)
    assert counts == {(category, level): 4 for category in CATEGORIES for level in DIFFICULTIES}


def test_pairs_stand_together():
    for english, chinese in PAIRS:
        assert (english["language"], chinese["language"]) == ("en", "zh")
        for field in ("pair_id", "category", "tags"):
            assert english[field] == chinese[field], english["id"]


def test_ids_follow_category_number_and_language():
    numbered = [f"{name.lower().replace(' ', '-')}-{n:02d}" for name in CATEGORIES for n in range(1, 13)]
    assert [row["id"] for row in ROWS] == [f"{pair}-{language}" for pair in numbered for language in ("en", "zh")]
    assert [english["pair_id"] for english, _ in PAIRS] == numbered
    assert all(SAFE_ID.fullmatch(row["id"]) for row in ROWS)


def test_tags_are_one_difficulty_and_known_aspects():
    for row in ROWS:
        level, *aspects = row["tags"]
        assert level in DIFFICULTIES
        assert aspects, row["id"]
        assert set(aspects) <= ASPECTS, row["id"]
        assert len(set(aspects)) == len(aspects), row["id"]
    assert {tag for row in ROWS for tag in row["tags"]} == ASPECTS | set(DIFFICULTIES)


def test_no_text_stands_twice():
    texts = Counter(re.sub(r"\W+", " ", row["text"].casefold()).strip() for row in ROWS)
    assert [text for text, n in texts.items() if n > 1] == []


def test_lines_are_canonical():
    for line, row in zip(LINES, ROWS, strict=True):
        assert line == json.dumps(row, ensure_ascii=False)
        assert line == unicodedata.normalize("NFC", line)
        assert row["text"] == " ".join(row["text"].split())


def test_english_is_ascii_and_of_fitting_length():
    for english, _ in PAIRS:
        assert english["text"].isascii(), english["id"]
        low, high = WORDS_BY_DIFFICULTY[difficulty(english)]
        assert low <= len(english["text"].split()) <= high, english["id"]
        assert re.fullmatch(r"[A-Z0-9].*\.", english["text"]), english["id"]


def test_chinese_is_han_with_its_own_punctuation_and_of_fitting_length():
    for _, chinese in PAIRS:
        text = chinese["text"]
        low, high = HAN_BY_DIFFICULTY[difficulty(chinese)]
        assert low <= len(re.findall(r"[\u4e00-\u9fff]", text)) <= high, chinese["id"]
        # Latin letters only in the name "3D" and in what is to be written in the picture.
        assert not re.search(r"[A-Za-z]", re.sub(r"3D|“[A-Z0-9. ]+”", "", text)), chinese["id"]
        assert not re.search(r"[,;:!?\"'()]", text), chinese["id"]
        assert text.endswith("。"), chinese["id"]


@pytest.mark.parametrize("pair", PAIRS, ids=pair_id)
def test_both_languages_state_the_same_facts(pair):
    english, chinese = (row["text"] for row in pair)
    assert english_numbers(english) == chinese_numbers(chinese)
    assert re.findall(r'"([^"]+)"', english) == re.findall(r"“([^”]+)”", chinese)
    for spelling, counterpart in FACTS.items():
        in_english = re.search(spelling, english, re.IGNORECASE) is not None
        assert in_english == (re.search(counterpart, chinese) is not None), (spelling, counterpart)


def test_tags_that_text_can_prove():
    for english, _ in PAIRS:
        numbered = english_numbers(re.sub(r"3D|\"[^\"]+\"|1930s", "", english["text"]))
        assert "counting" not in english["tags"] or numbered, english["id"]
        assert ("text" in english["tags"]) == ('"' in english["text"]), english["id"]
        assert ("slow-motion" in english["tags"]) == ("slow motion" in english["text"].casefold()), english["id"]
        assert ("timelapse" in english["tags"]) == ("timelapse" in english["text"].casefold()), english["id"]


def test_no_trademark_person_or_character_is_named():
    pattern = re.compile(rf"\b({FORBIDDEN_EN})('?s)?\b|{FORBIDDEN_ZH}", re.IGNORECASE)
    assert [(row["id"], found[0]) for row in ROWS if (found := pattern.search(row["text"]))] == []


def test_no_living_style_is_asked_for():
    pattern = re.compile(r"\b(in the style of|inspired by|reminiscent of|a la)\b(?! a Tang-dynasty)", re.IGNORECASE)
    assert [row["id"] for row in ROWS if pattern.search(row["text"])] == []
