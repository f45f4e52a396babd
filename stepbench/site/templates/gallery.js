"use strict";
// Two runs prompt by prompt. Texts come from strangers: they enter the page through textContent alone.
const PER_PAGE = 6;
const CRISP_BELOW = 160; // frames narrower than this are enlarged without blur
const told = JSON.parse(document.getElementById("told").dataset.told);
const part = (id) => document.getElementById(id);
const loaded = new Map();
let page = 0;

// The data files call this; a page opened from disk may load scripts from there, but may not fetch.
window.stepbenchData = (key, rows) => loaded.set(key, rows);

function load(key, file) {
  if (loaded.has(key)) return Promise.resolve(loaded.get(key));
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = `data/${file}.js`;
    script.addEventListener("load", () => done(loaded.get(key)));
    script.addEventListener("error", () => failed(new Error(`cannot load ${file}`)));
    document.head.append(script);
  });
}

if (location.hash) part("a").value = location.hash.slice(1);
if (part("a").value === "") part("a").selectedIndex = 0;
part("b").selectedIndex = part("a").selectedIndex === 0 ? Math.min(1, part("b").options.length - 1) : 0;
part("choice").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["a", "b", "category", "search", "order"]) {
  part(id).addEventListener("input", () => {
    page = 0;
    draw();
  });
}
for (const [id, step] of [["previous", -1], ["next", 1]]) {
  part(id).addEventListener("click", () => {
    page += step;
    draw();
    part("choice").scrollIntoView();
  });
}
draw();

async function draw() {
  const [a, b] = [part("a").value, part("b").value];
  const [prompts, left, right] = await Promise.all([
    load("prompts", `prompts-${told.table}`),
    ...[a, b].map((slug) => load(`samples:${slug}`, `samples-${slug}`)),
  ]);
  if (part("a").value !== a || part("b").value !== b) return;
  const chosen = select(prompts, left, right);
  const pages = Math.max(1, Math.ceil(chosen.length / PER_PAGE));
  page = Math.max(0, Math.min(page, pages - 1));
  part("place").textContent = `${told.words.page} ${page + 1} / ${pages}`;
  part("previous").disabled = page === 0;
  part("next").disabled = page === pages - 1;
  part("pairs").replaceChildren(
    ...chosen.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((i) => pairOf(prompts[i], left[i], right[i])),
  );
  if (chosen.length === 0) part("pairs").textContent = told.words.nothing;
  for (const row of document.querySelectorAll("#pairs .pair")) connect(row);
}

function select(prompts, left, right) {
  const wanted = part("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const category = part("category").value;
  const chosen = [...prompts.keys()].filter((i) => {
    const text = prompts[i][2].toLowerCase();
    return (category === "" || prompts[i][4] === category) && wanted.every((word) => text.includes(word));
  });
  const order = part("order").value;
  if (order === "") return chosen;
  const distance = (i) => {
    const [x, y] = [left[i].values[order], right[i].values[order]];
    return x === null || y === null ? -1 : Math.abs(x - y);
  };
  return chosen.sort((i, j) => distance(j) - distance(i) || i - j);
}

function pairOf(prompt, left, right) {
  const [id, seed, text, language, category] = prompt;
  const row = part("pair").content.cloneNode(true).firstElementChild;
  row.querySelector(".heading").textContent = `${id} · seed ${seed} · ${category}`;
  const shown = row.querySelector(".prompt");
  shown.textContent = text;
  shown.lang = language;
  row.setAttribute("aria-label", `${id}, seed ${seed}`);
  const names = ["a", "b"].map((side) => part(side).selectedOptions[0].textContent);
  row.querySelectorAll("figure").forEach((figure, side) => fill(figure, [left, right][side], names[side], text));
  row.querySelector("tbody").append(...told.titles.map((title, place) => scoreRow(title, place, left, right)));
  return row;
}

function fill(figure, sample, name, text) {
  const screen = figure.querySelector(".screen");
  const [width, height] = [sample.width ?? told.size[0], sample.height ?? told.size[1]];
  screen.style.aspectRatio = `${width} / ${height}`;
  screen.classList.toggle("crisp", width < CRISP_BELOW);
  figure.querySelector("figcaption").textContent = name;
  if (sample.clip === null) {
    const why = document.createElement("p");
    why.className = "reason";
    const heads = { ok: told.words.no_clip, failed: told.words.failed, refused: told.words.refused };
    const head = heads[sample.outcome] ?? told.words.not_made;
    const reason = sample.outcome === "ok" ? sample.no_clip : sample.error;
    why.textContent = reason ? `${head}: ${reason}` : head;
    screen.append(why);
    return;
  }
  const video = document.createElement("video");
  Object.assign(video, { controls: true, muted: true, playsInline: true, preload: "metadata", src: sample.clip });
  video.dataset.frames = sample.frames ?? 1;
  video.dataset.fps = sample.fps ?? told.size[2];
  video.setAttribute("aria-label", `${name}: ${text}`);
  screen.append(video);
}

function scoreRow(title, place, left, right) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = title;
  const values = [left, right].map((sample) => sample.values[place]);
  const sign = { higher: 1, lower: -1 }[told.directions[place]] ?? 0;
  const cells = values.map((value, side) => {
    const cell = document.createElement("td");
    cell.className = "n";
    cell.textContent = value === null ? "–" : String(Number(value.toPrecision(4)));
    const other = values[1 - side];
    if (value !== null && other !== null && sign * (value - other) > 0) cell.classList.add("better");
    return cell;
  });
  row.append(head, ...cells);
  return row;
}
