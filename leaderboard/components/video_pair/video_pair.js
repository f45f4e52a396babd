// A pair of clips with their prompt and a table of facts; `player.js` stands before this file.

const players = new WeakMap();

export default function (component) {
  const root = component.parentElement.querySelector(".pair");
  const wanted = JSON.stringify(component.data);
  const player = players.get(root) ?? {};
  // A rerun of the page calls again with the same data: what plays shall go on playing.
  if (player.wanted !== wanted) {
    player.stop?.();
    player.stop = start(root, component.data);
    player.wanted = wanted;
  }
  players.set(root, player);
  // Only the latest call may clean up: Streamlit also cleans up after calls that were overtaken.
  const call = (player.call = {});
  return () => {
    if (player.call !== call) return;
    player.stop();
    players.delete(root);
  };
}

function start(root, data) {
  fillTexts(root, data);
  const { actions, leader, on, stop } = startPlayer(root, data);
  if (leader !== null) on(root, "keydown", (event) => takeKey(event, actions));
  return stop;
}

function takeKey(event, { toggle, step, toFirst, toLast, changeSpeed, switchLoop }) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const typing = event.composedPath()[0];
  const taken = typing.matches("select, input") || (typing.matches("button") && event.key === " ");
  const keys = {
    k: toggle,
    ",": () => step(-1),
    ".": () => step(1),
    l: switchLoop,
    "-": () => changeSpeed(-1),
    "+": () => changeSpeed(1),
    ...(taken
      ? {}
      : { " ": toggle, ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: toFirst, End: toLast }),
  };
  if (!Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  keys[event.key]();
}

function fillTexts(root, data) {
  wordControls(root, data.words);
  root.setAttribute("aria-label", data.label);
  root.querySelector(".heading").textContent = data.heading;
  const prompt = root.querySelector(".prompt");
  prompt.textContent = data.prompt;
  prompt.lang = data.language;
  const table = root.querySelector(".facts");
  table.hidden = data.facts.length === 0;
  table.tBodies[0].replaceChildren(
    ...data.facts.map((fact) => {
      const row = document.createElement("tr");
      const label = document.createElement("th");
      label.scope = "row";
      label.textContent = fact.label;
      const cells = ["left", "right"].map((name) => {
        const cell = document.createElement("td");
        cell.textContent = fact[name];
        cell.classList.toggle("better", fact.better === name);
        return cell;
      });
      row.append(label, ...cells);
      return row;
    }),
  );
}
