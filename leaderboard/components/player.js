// Two <video> elements that act as one. The longer clip leads; the other follows it by small changes of its speed, and
// by a jump where it is far off. Texts come from strangers: they enter the page through textContent alone. Components
// that show a pair put this file before their own.

const CRISP_BELOW = 256; // frames narrower than this are enlarged without blur, in whole multiples
const FAR_OFF = 0.3; // seconds
const TRIES = 5; // to get a clip again after its loading failed, after 1, 2, 4 ... seconds

// Puts the texts of the page's language on every control of `root`.
function wordControls(root, words) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = words[element.dataset.text];
  for (const element of root.querySelectorAll("[data-word]")) {
    element.setAttribute("aria-label", words[element.dataset.word]);
    element.title = words[element.dataset.word];
  }
}

// Connects the controls inside `root` with the clips of `data.sides`. Gives the clips, what keys can do, and `stop`.
function startPlayer(root, data) {
  const { words } = data;
  const part = (name) => root.querySelector(name);
  const [back, play, forward] = [part(".back"), part(".play"), part(".forward")];
  const [scrub, shown, speed, loop] = [part(".scrub"), part(".frame"), part(".speed select"), part(".loop input")];
  const listening = new AbortController();
  const on = (target, event, run) => target.addEventListener(event, run, { signal: listening.signal });

  let clips = [...root.querySelectorAll("figure")].map((figure, index) => fillSide(figure, index, data, on, words));
  clips = clips.filter((clip) => clip !== null);
  const leader = clips.reduce((a, b) => (a && a.side.frames / a.side.fps >= b.side.frames / b.side.fps ? a : b), null);
  for (const control of [back, play, forward, scrub, speed, loop]) control.disabled = leader === null;
  if (leader === null) {
    shown.textContent = "";
    return { clips, leader, on, actions: {}, stop: () => listening.abort() };
  }
  const last = leader.side.frames - 1;
  scrub.max = String(last);
  let playing = false;
  let drawing = 0;
  show(0);

  function show(frame) {
    scrub.value = String(frame);
    shown.textContent = `${frame + 1} / ${last + 1}`;
    scrub.setAttribute("aria-valuetext", `${words.frame} ${frame + 1} / ${last + 1}`);
  }

  function frameNow() {
    return Math.min(last, Math.floor(leader.video.currentTime * leader.side.fps + 0.01));
  }

  function goTo(frame) {
    const target = Math.max(0, Math.min(last, frame));
    // The middle of a frame: its edges round to either side of them.
    const time = (target + 0.5) / leader.side.fps;
    for (const { video, side } of clips) video.currentTime = Math.min(time, (side.frames - 0.5) / side.fps);
    show(target);
  }

  function setPlaying(value) {
    playing = value;
    root.classList.toggle("playing", playing);
    play.setAttribute("aria-label", playing ? words.pause : words.play);
    cancelAnimationFrame(drawing);
  }

  function pause() {
    setPlaying(false);
    for (const { video } of clips) video.pause();
  }

  async function resume(fromStart) {
    setPlaying(true);
    for (const { video } of clips) if (video.error) video.load();
    if (fromStart) for (const { video } of clips) video.currentTime = 0;
    await Promise.all(clips.map(({ video }) => ready(video)));
    if (!playing) return;
    setSpeed();
    await Promise.allSettled(clips.filter(({ video }) => !video.ended).map(({ video }) => video.play()));
    cancelAnimationFrame(drawing);
    drawing = requestAnimationFrame(follow);
  }

  function follow() {
    if (!playing) return;
    const rate = Number(speed.value);
    for (const clip of clips) {
      const { video } = clip;
      if (clip === leader || video.ended || video.seeking) continue;
      const ahead = video.currentTime - leader.video.currentTime;
      if (Math.abs(ahead) > FAR_OFF * rate) video.currentTime = leader.video.currentTime;
      else video.playbackRate = rate * (1 - Math.max(-0.25, Math.min(0.25, 3 * ahead)));
    }
    show(frameNow());
    drawing = requestAnimationFrame(follow);
  }

  function setSpeed() {
    for (const { video } of clips) video.playbackRate = Number(speed.value);
  }

  function toggle() {
    if (playing) pause();
    else resume(leader.video.ended || frameNow() === last);
  }

  function step(frames) {
    pause();
    goTo(frameNow() + frames);
  }

  function changeSpeed(steps) {
    speed.selectedIndex = Math.max(0, Math.min(speed.options.length - 1, speed.selectedIndex + steps));
    setSpeed();
  }

  // Where one side runs out of data the other waits for it.
  function hold() {
    if (!playing) return;
    const dry = clips.some(({ video }) => video.readyState < 3 && video.currentTime < video.duration - 0.2);
    for (const { video } of clips) {
      if (dry) video.pause();
      else if (video.paused && !video.ended) video.play().catch(pause);
    }
  }

  on(play, "click", toggle);
  on(back, "click", () => step(-1));
  on(forward, "click", () => step(1));
  on(speed, "change", setSpeed);
  on(scrub, "input", () => {
    pause();
    goTo(Number(scrub.value));
  });
  on(leader.video, "ended", () => (loop.checked && playing ? resume(true) : pause()));
  for (const { video } of clips) {
    on(video, "click", toggle);
    on(video, "waiting", hold);
    on(video, "canplay", hold);
    on(video, "loadedmetadata", () => playing || scrub.value === "0" || goTo(Number(scrub.value)));
  }
  return {
    clips,
    leader,
    on,
    actions: {
      toggle,
      step,
      pause,
      toFirst: () => step(-last),
      toLast: () => step(last),
      changeSpeed,
      switchLoop: () => loop.click(),
    },
    stop: () => {
      pause();
      listening.abort();
    },
  };
}

function fillSide(figure, index, data, on, words) {
  const side = data.sides[index];
  const screen = figure.querySelector(".screen");
  screen.style.aspectRatio = `${side.width} / ${side.height}`;
  const crisp = side.width < CRISP_BELOW;
  screen.style.maxWidth = crisp ? `${Math.max(1, Math.round(320 / side.width)) * side.width}px` : "";
  figure.querySelector("figcaption").textContent = side.title;
  if (side.url === null) {
    screen.replaceChildren(reasonText(side.reason));
    return null;
  }
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.disablePictureInPicture = true;
  video.preload = "metadata";
  video.classList.toggle("crisp", crisp);
  video.setAttribute("aria-label", `${side.title}: ${data.prompt}`);
  // A network that is away for a moment shall cost nobody a clip.
  let tries = 0;
  on(video, "error", () => {
    screen.replaceChildren(reasonText(words.unplayable));
    if (tries < TRIES) setTimeout(() => video.error && video.load(), 1000 * 2 ** tries++);
  });
  on(window, "online", () => video.error && video.load());
  on(video, "loadedmetadata", () => video.isConnected || screen.replaceChildren(video));
  video.src = new URL(side.url, document.baseURI).href;
  screen.replaceChildren(video);
  return { video, side };
}

function reasonText(text) {
  const element = document.createElement("div");
  element.className = "reason";
  element.textContent = text;
  return element;
}

function ready(video) {
  if (video.readyState >= 3 || video.error) return Promise.resolve();
  video.preload = "auto";
  return new Promise((done) => {
    for (const event of ["canplay", "error"]) video.addEventListener(event, done, { once: true });
  });
}
