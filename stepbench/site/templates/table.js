"use strict";
// Tables that are sorted by a click on a head, and filtered by words and by category or language.
for (const section of document.querySelectorAll("section.table")) connectTable(section);

function connectTable(section) {
  const table = section.querySelector("table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const [words, cut, count] = [".filter", ".cut", ".count"].map((name) => section.querySelector(name));

  section.querySelector(".filters").hidden = false;
  words.addEventListener("input", show);
  cut?.addEventListener("change", show);
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }
  show();

  function show() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = (!cut || row.dataset.cut === cut.value) && wanted.every((word) => text.includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = `${shown} / ${rows.filter((row) => !cut || row.dataset.cut === cut.value).length}`;
  }

  function sort(head) {
    const place = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keys = new Map(rows.map((row) => [row, keyOf(row.cells[place])]));
    const sign = down ? -1 : 1;
    // Rows without a value come last either way.
    rows.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
    });
    body.append(...rows);
  }
}

function keyOf(cell) {
  const text = cell.dataset.value ?? cell.textContent.trim();
  if (text === "" || text === "nan" || text === "None" || text === "–") return null;
  const number = Number.parseFloat(text);
  return cell.classList.contains("n") && !Number.isNaN(number) ? number : text;
}
