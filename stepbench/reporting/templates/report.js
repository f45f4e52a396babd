"use strict";
// Rows of clips that play, pause and step as one. Without this script every clip has the browser's own controls.
const FAR_OFF = 0.3; // seconds

for (const row of document.querySelectorAll(".pair")) connect(row);

// Paper shows what is folded away.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) {
    part.open = true;
    part.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const part of document.querySelectorAll("details[data-printed]")) {
    part.open = false;
    delete part.dataset.printed;
  }
});

function connect(row) {
  const videos = [...row.querySelectorAll("video")];
  if (videos.length === 0) return;
  const part = (name) => row.querySelector(`.controls ${name}`);
  const [play, scrub, shown, speed] = [part(".play"), part(".scrub"), part(".frame"), part(".speed")];
  const length = (video) => Number(video.dataset.frames) / Number(video.dataset.fps);
  const leader = videos.reduce((a, b) => (length(a) >= length(b) ? a : b));
  const last = Number(leader.dataset.frames) - 1;
  let playing = false;

  row.querySelector(".controls").hidden = false;
  scrub.max = String(last);
  for (const video of videos) {
    video.controls = false;
    video.loop = false;
    video.addEventListener("click", toggle);
    video.addEventListener("error", () => fail(video), { once: true });
  }
  show(0);
  name();

  function show(frame) {
    scrub.value = String(frame);
    shown.textContent = `${frame + 1} / ${last + 1}`;
    scrub.setAttribute("aria-valuetext", `frame ${frame + 1} of ${last + 1}`);
  }

  function name() {
    play.textContent = playing ? "Pause" : "Play";
    play.setAttribute("aria-label", playing ? "Pause all clips of this row" : "Play all clips of this row");
  }

  function frameNow() {
    return Math.min(last, Math.floor(leader.currentTime * Number(leader.dataset.fps) + 0.01));
  }

  function goTo(frame) {
    const target = Math.max(0, Math.min(last, frame));
    // The middle of a frame: its edges round to either side of them.
    const time = (target + 0.5) / Number(leader.dataset.fps);
    for (const video of videos) video.currentTime = Math.min(time, length(video) - 0.5 / Number(video.dataset.fps));
    show(target);
  }

  function pause() {
    playing = false;
    for (const video of videos) video.pause();
    name();
  }

  async function start() {
    playing = true;
    name();
    if (leader.ended || frameNow() === last) for (const video of videos) video.currentTime = 0;
    await Promise.all(videos.map(ready));
    if (!playing) return;
    for (const video of videos) video.playbackRate = Number(speed.value);
    await Promise.allSettled(videos.filter((video) => !video.ended).map((video) => video.play()));
    requestAnimationFrame(follow);
  }

  function follow() {
    if (!playing) return;
    const rate = Number(speed.value);
    for (const video of videos) {
      if (video === leader || video.ended || video.seeking) continue;
      const ahead = video.currentTime - leader.currentTime;
      if (Math.abs(ahead) > FAR_OFF * rate) video.currentTime = leader.currentTime;
      else video.playbackRate = rate * (1 - Math.max(-0.25, Math.min(0.25, 3 * ahead)));
    }
    show(frameNow());
    requestAnimationFrame(follow);
  }

  function toggle() {
    if (playing) pause();
    else start();
  }

  function step(frames) {
    pause();
    goTo(frameNow() + frames);
  }

  leader.addEventListener("ended", () => {
    if (playing) start();
  });
  play.addEventListener("click", toggle);
  part(".back").addEventListener("click", () => step(-1));
  part(".forward").addEventListener("click", () => step(1));
  scrub.addEventListener("input", () => {
    pause();
    goTo(Number(scrub.value));
  });
  speed.addEventListener("change", () => {
    for (const video of videos) video.playbackRate = Number(speed.value);
  });
  row.addEventListener("keydown", (event) => {
    if (event.target !== row || event.altKey || event.ctrlKey || event.metaKey) return;
    const actions = {
      " ": toggle,
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      Home: () => step(-last - 1),
      End: () => step(last + 1),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });
}

function ready(video) {
  if (video.readyState >= 3 || video.error) return Promise.resolve();
  video.preload = "auto";
  return new Promise((done) => {
    for (const event of ["canplay", "error"]) video.addEventListener(event, done, { once: true });
  });
}

function fail(video) {
  const text = document.createElement("p");
  text.className = "reason";
  text.textContent = "This clip cannot be played here.";
  video.replaceWith(text);
}
