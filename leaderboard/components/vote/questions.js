// The questions about a pair: winners as buttons, ratings as a scale in words between two columns, reasons as chips.

const PAIR_KEYS = { 1: "a", 2: "b", t: "tie", b: "both_bad" };
const PAIR_CAPS = { a: "1", b: "2", tie: "T", both_bad: "B" };

function startQuestions(root, data, on, changed) {
  const { words } = data;
  const answers = new Map();
  // One item per answer to give, in the order in which keys fill them.
  // Where clips are rated alone, all about the first comes before anything about the second.
  const items = data.alone
    ? ["a", "b"].flatMap((side) => data.questions.map((question) => ({ question, side })))
    : data.questions.flatMap((question) =>
        question.form === "pairwise" ? [{ question, side: null }] : ["a", "b"].map((side) => ({ question, side })),
      );
  const buttons = [];
  let active = 0;
  let open = false;
  const form = { touched: false, side: () => items[active].side, setOpen, complete, answers: collect, remarks, clear, take, back };

  const fieldsets = data.questions.map((question) => {
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = question.text;
    set.classList.toggle("whole", question.form === "pairwise");
    set.append(legend, question.form === "pairwise" ? choices(question) : scale(question));
    return set;
  });
  root.querySelector(".questions").replaceChildren(...fieldsets);
  root.classList.toggle("rated", data.questions.length > 1);
  root.classList.toggle("alone", data.alone);
  const chips = fillReasons(root, data, on);

  function add(question, side, value, text, name) {
    const button = document.createElement("button");
    button.type = "button";
    if (name) button.setAttribute("aria-label", name);
    if (side === null) label(button, text, PAIR_CAPS[value]);
    else {
      button.textContent = text;
      button.classList.add(`of-${side}`);
    }
    const item = items.findIndex((one) => one.question === question && one.side === side);
    on(button, "click", () => put(item, value));
    buttons.push({ button, item, value });
    return button;
  }

  function choices(question) {
    const row = document.createElement("div");
    row.className = "choices";
    row.append(...question.choices.map((choice) => add(question, null, choice, words[`choice_${choice}`])));
    return row;
  }

  function scale(question) {
    const grid = document.createElement("div");
    grid.className = "scale";
    const head = ["A", "", "B"].map((text) => Object.assign(document.createElement("b"), { textContent: text }));
    const rows = question.anchors.flatMap((anchor, place) => {
      const value = place + 1;
      const meaning = Object.assign(document.createElement("span"), { textContent: anchor });
      const button = (side) =>
        add(question, side, value, String(value), `${data.alone ? "" : `${side.toUpperCase()}: `}${value}, ${anchor}`);
      return data.alone ? [button("a"), button("b"), meaning] : [button("a"), meaning, button("b")];
    });
    grid.append(...head, ...rows);
    return grid;
  }

  function put(item, value) {
    if (!open) return;
    answers.set(item, value);
    form.touched = true;
    const next = items.findIndex((_, place) => !answers.has(place));
    active = next === -1 ? item : next;
    draw();
    changed();
    const following = next === -1 ? root.querySelector(".send") : fieldsets[data.questions.indexOf(items[next].question)];
    following.scrollIntoView({ block: "nearest" });
  }

  function draw() {
    root.dataset.side = data.alone ? items[active].side : "";
    for (const { button, item, value } of buttons) {
      button.disabled = !open;
      button.setAttribute("aria-pressed", String(answers.get(item) === value));
      button.classList.toggle("active-side", open && item === active && items[item].side !== null);
    }
    data.questions.forEach((question, place) =>
      fieldsets[place].classList.toggle("active", open && items[active]?.question === question),
    );
  }

  function setOpen(value) {
    if (open === value) return;
    open = value;
    draw();
  }

  function complete() {
    const given = (question) => items.flatMap((item, place) => (item.question === question ? [answers.has(place)] : []));
    return data.questions.every((question) => {
      const all = given(question);
      return all.every(Boolean) || (!question.required && !all.some(Boolean));
    });
  }

  function collect() {
    const [winners, ratings] = [{}, { a: {}, b: {} }];
    items.forEach(({ question, side }, place) => {
      if (!answers.has(place)) return;
      if (side === null) winners[question.id] = answers.get(place);
      else ratings[side][question.id] = answers.get(place);
    });
    return { winners, ratings };
  }

  function remarks() {
    const comment = data.comment ? root.querySelector(".comment textarea").value : "";
    return { reasons: chips(), comment };
  }

  function clear() {
    answers.clear();
    form.touched = false;
    active = 0;
    draw();
  }

  function back() {
    if (!open || answers.size === 0) return;
    const given = [...answers.keys()];
    active = given[given.length - 1];
    answers.delete(active);
    form.touched = answers.size > 0;
    draw();
    changed();
  }

  // A key that answers the question in turn; says whether it did.
  function take(key) {
    const item = items[active];
    if (!open || item === undefined) return false;
    if (item.side === null) {
      const value = PAIR_KEYS[key];
      if (!item.question.choices.includes(value)) return false;
      put(active, value);
      return true;
    }
    if (!["1", "2", "3", "4", "5"].includes(key)) return false;
    put(active, Number(key));
    return true;
  }

  draw();
  return form;
}

function fillReasons(root, data, on) {
  const box = root.querySelector(".reasons");
  box.hidden = data.reasons.length === 0;
  box.setAttribute("aria-label", data.words.reasons);
  const title = Object.assign(document.createElement("span"), { textContent: data.words.reasons });
  const chips = data.reasons.map(({ id, text }) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.textContent = text;
    chip.setAttribute("aria-pressed", "false");
    on(chip, "click", () => chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") === "false")));
    return { id, chip };
  });
  box.replaceChildren(title, ...chips.map(({ chip }) => chip));
  return () => chips.filter(({ chip }) => chip.getAttribute("aria-pressed") === "true").map(({ id }) => id);
}
