// The screen on which a pair is judged. `player.js`, `watching.js` and `questions.js` stand before this file.

const screens = new WeakMap();

export default function (component) {
  const root = component.parentElement.querySelector(".vote");
  const { can_undo: canUndo, attempt, ...rest } = component.data;
  const wanted = JSON.stringify(rest);
  const screen = screens.get(root) ?? {};
  // A rerun of the page calls again with the same pair: what was watched and answered shall stay.
  if (screen.wanted !== wanted) {
    screen.stop?.();
    Object.assign(screen, startVote(root, component.data, component.setTriggerValue), { wanted });
  }
  screen.update(canUndo, attempt);
  screens.set(root, screen);
  // Only the latest call may clean up: Streamlit also cleans up after calls that were overtaken.
  const call = (screen.call = {});
  return () => {
    if (screen.call !== call) return;
    screen.stop();
    screens.delete(root);
  };
}

function startVote(root, data, send) {
  const part = (name) => root.querySelector(name);
  const [lock, sendButton, skipButton, undoButton, wait] = [".lock", ".send", ".skip", ".undo", ".wait"].map(part);
  const words = data.words;
  fillWords(root, data);
  const player = startPlayer(root, data);
  const { on, clips, actions } = player;
  const view = startView(part(".player"), on);
  part(".flip").hidden = data.alone;
  const playable = clips.length === 2;
  const watches = clips.map((clip) => watchClip(clip, on, view.inSight, refresh));
  const form = startQuestions(root, data, on, refresh);
  for (const { video } of clips) for (const event of ["error", "loadedmetadata"]) on(video, event, refresh);
  const voteId = randomId();
  let skipped = false;
  let sent = false;
  let undo = false;
  let attempt = data.attempt;
  let retry = 0;
  let turn = null; // which clip is rated alone
  let active = true; // since the last sign of life

  function watched() {
    return playable && watches.every(({ state }) => state.done);
  }

  // Whether what the questions in turn are about was watched: both clips, or the one that is rated alone.
  function inTurn() {
    return playable && (data.alone ? watches[turn].state.done : watched());
  }

  function turnTo(place) {
    if (turn === place) return;
    turn = place;
    actions.toFirst?.();
    view.show(place);
  }

  function refresh() {
    active = true;
    if (data.alone) turnTo(form.side() === "a" ? 0 : 1);
    const open = inTurn() && !sent;
    form.setOpen(open);
    if (form.touched) skipped = false;
    sendButton.disabled = sent || !(skipped || (open && watched() && form.complete()));
    skipButton.hidden = !data.skip;
    skipButton.disabled = sent;
    skipButton.setAttribute("aria-pressed", String(skipped));
    undoButton.hidden = !undo;
    undoButton.disabled = sent;
    const shares = watches.map(({ state }) => Math.floor(100 * (state.done ? 1 : state.share)));
    const [asked, first] = data.alone ? [words.open_alone, words.watch_alone] : [words.open, words.watch_first];
    const broken = !playable || clips.some(({ video }) => video.error);
    lock.textContent = broken ? words.broken : inTurn() ? asked : fill(first, data.alone ? [shares[turn]] : shares);
    root.classList.toggle("locked", !open);
  }

  function cast() {
    if (sendButton.disabled) return;
    const seconds = watches.map(({ state }) => Math.round(state.seconds * 1000) / 1000);
    const answers = skipped ? { skip: true } : { skip: false, ...form.answers() };
    const watchedFor = playable ? { watch_a_s: seconds[0], watch_b_s: seconds[1] } : { watch_a_s: 0, watch_b_s: 0 };
    say("vote", { assignment: data.assignment, vote_id: voteId, ...answers, ...form.remarks(), ...watchedFor });
  }

  // What was sent is answered by another pair. If it is not, the same vote may be sent again: it is stored once.
  function say(event, content) {
    sent = true;
    actions.pause?.();
    wait.textContent = words.sending;
    refresh();
    send(event, content);
    retry = setTimeout(() => {
      sent = false;
      wait.textContent = words.retry;
      refresh();
    }, 20000);
  }

  function skip() {
    if (!data.skip || sent) return;
    form.clear();
    skipped = !skipped;
    refresh();
  }

  function takeBack() {
    if (undo && !sent) say("undo", data.assignment);
  }

  on(sendButton, "click", cast);
  on(skipButton, "click", skip);
  on(undoButton, "click", takeBack);
  on(window, "keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const place = event.composedPath()[0];
    const typing = place.matches?.("textarea, input:not([type=range]):not([type=checkbox]), select");
    if (typing) return;
    const pressing = place.matches?.("button, summary") && (event.key === " " || event.key === "Enter");
    if (pressing && !(event.key === "Enter" && place.matches(".questions button, .reasons button"))) return;
    const keys = {
      " ": actions.toggle,
      ArrowLeft: () => actions.step?.(-1),
      ArrowRight: () => actions.step?.(1),
      l: actions.switchLoop,
      "-": () => actions.changeSpeed?.(-1),
      "+": () => actions.changeSpeed?.(1),
      ...(data.alone ? {} : { f: view.flip, g: view.sideBySide }),
      z: view.fullScreen,
      s: skip,
      u: takeBack,
      "?": () => (part(".keys").open = !part(".keys").open),
      Enter: cast,
      Backspace: form.back,
    };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (form.take(key) || (Object.hasOwn(keys, key) && (keys[key]?.(), true))) event.preventDefault();
  });
  for (const event of ["keydown", "pointerdown", "pointermove"]) on(window, event, () => (active = true));

  const heart = setInterval(() => {
    if (!active || sent || document.visibilityState !== "visible") return;
    active = false;
    send("beat", data.assignment);
  }, data.beat_seconds * 1000);

  refresh();
  root.focus({ preventScroll: true });
  return {
    // The page has answered with the same pair: what it did not take can be sent again.
    update(canUndo, answered) {
      undo = canUndo;
      if (answered !== attempt) {
        attempt = answered;
        sent = false;
        clearTimeout(retry);
        wait.textContent = "";
      }
      refresh();
    },
    stop() {
      clearInterval(heart);
      clearTimeout(retry);
      for (const watch of watches) watch.stop();
      player.stop();
    },
  };
}

// Both clips beside each other, or one at a time in the same place; full screen for either.
function startView(player, on) {
  const sides = player.querySelector(".sides");
  const figures = [...sides.querySelectorAll("figure")];
  const flipButton = player.querySelector(".flip");
  let shown = null;

  function show(index) {
    shown = index;
    sides.classList.toggle("single", index !== null);
    figures.forEach((figure, place) => figure.classList.toggle("away", index !== null && place !== index));
    flipButton.setAttribute("aria-pressed", String(index !== null));
  }
  const flip = () => show(shown === 0 ? 1 : 0);
  const sideBySide = () => show(null);
  const fullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : player.requestFullscreen());
  show(null);
  on(flipButton, "click", flip);
  on(player.querySelector(".full"), "click", fullScreen);
  const inSight = (video) => document.visibilityState === "visible" && !video.closest("figure").matches(".away");
  return { show, flip, sideBySide, fullScreen, inSight };
}

function fillWords(root, data) {
  const { words } = data;
  root.setAttribute("aria-label", data.heading);
  root.querySelector(".heading").textContent = data.heading;
  const prompt = root.querySelector(".prompt");
  prompt.textContent = data.prompt;
  prompt.lang = data.language ?? "";
  wordControls(root, words);
  label(root.querySelector(".send"), words.send, "Enter");
  label(root.querySelector(".skip"), words.skip, "S");
  label(root.querySelector(".undo"), words.undo, "U");
  root.querySelector(".wait").textContent = "";
  root.querySelector(".comment").hidden = !data.comment;
  root.querySelector(".comment textarea").value = "";
  const list = root.querySelector(".keys dl");
  list.replaceChildren(
    ...data.keys.flatMap(([key, meaning]) => {
      const [term, description] = [document.createElement("dt"), document.createElement("dd")];
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(cap);
      description.textContent = meaning;
      return [term, description];
    }),
  );
}

function label(button, text, key) {
  const cap = document.createElement("kbd");
  cap.textContent = key;
  cap.setAttribute("aria-hidden", "true");
  button.replaceChildren(text, cap);
}

function fill(text, [a, b]) {
  return text.replace("%a", String(a)).replace("%b", String(b ?? ""));
}

// Not `crypto.randomUUID`: browsers offer that on https and on this machine alone.
function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
