// Which parts of a clip were played in sight, and for how long: a vote is open once both were seen from end to end.

const SEEN_SHARE = 0.9; // of a clip's frames: what a browser under load jumps over shall not count against anyone
const JUMP = 1.5; // seconds of film between two looks that still count as played

// Gives `seconds` and `share` of the clip watched so far; `report` is called whenever these have changed.
function watchClip({ video, side }, on, inSight, report) {
  const frames = new Uint8Array(Math.max(1, Math.min(side.frames, 5000)));
  const length = side.frames / side.fps;
  const state = { seconds: 0, share: 0, done: false };
  let from = null;
  let looked = 0;
  let count = 0;

  function mark(until) {
    if (from !== null && until >= from && until - from < JUMP && inSight(video)) {
      const first = Math.floor((from / length) * frames.length);
      const last = Math.min(frames.length - 1, Math.floor((until / length) * frames.length));
      for (let frame = first; frame <= last; frame++) {
        count += 1 - frames[frame];
        frames[frame] = 1;
      }
      state.share = count / frames.length;
      state.done ||= state.share >= SEEN_SHARE;
    }
    from = until;
  }

  function look(now) {
    const passed = Math.min(1, (now - looked) / 1000);
    looked = now;
    if (video.paused || video.ended) return;
    if (inSight(video)) state.seconds += passed;
    if (!video.seeking) mark(video.currentTime);
    report();
  }

  on(video, "play", () => {
    from = video.currentTime;
    looked = performance.now();
  });
  on(video, "seeking", () => (from = null));
  on(video, "seeked", () => (from = video.paused ? null : video.currentTime));
  on(video, "ended", () => {
    mark(length);
    report();
  });
  const timer = setInterval(() => look(performance.now()), 50);
  return { state, stop: () => clearInterval(timer) };
}
