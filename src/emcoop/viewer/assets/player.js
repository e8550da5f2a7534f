// The player: which step and agent are shown, and everything that changes that.
const view = { step: 0, agent: nAgents > 0 ? 0 : -1, playing: false };
let wanted = false, timer = 0, revealed = -1;

function refresh() {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(draw);
}

function draw() {
  wanted = false;
  const scrub = byId("scrub");
  if (+scrub.value !== view.step) scrub.value = view.step;
  say(byId("clock"), `Step ${view.step} / ${lastStep}`);
  say(byId("play"), view.playing ? "Pause" : "Play");
  drawWorld(view);
  say(byId("caption"), captionWords());
  for (let k = 0; k < nAgents; k += 1) drawCard(k, view.step, view.agent);
  if (revealed !== view.agent) reveal();
  revealed = view.agent;
  drawReply(view);
  drawTasks(view);
  drawHits(view);
  drawEvents(view);
  drawSaid(view, go);
  drawStrip(view);
  drawLanes(view);
  followLog(view, go);
  document.querySelectorAll("[data-camera]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.camera === camera.mode)));
}

function captionWords() {
  const parts = [], known = Math.min(view.step, Math.max(world.until, 0)), progress = data.progress[view.step];
  if (progress !== undefined) parts.push(`progress ${(100 * progress).toFixed(1)} %`);
  if (world.kind === "ma_crafter") {
    parts.push(`${channel("points", known)[0]} points`);
    const light = channel("light", known)[0];
    if (light < 100) parts.push(`daylight ${light} %`);
  }
  if (world.kind === "cube") {
    const delivered = channel("delivered", known), all = world.weights.reduce((sum, w) => sum + w, 0);
    parts.push(`delivered weight ${world.weights.reduce((sum, w, b) => sum + (delivered[b] ? w : 0), 0)} of ${all}`);
  }
  const span = spans.get(view.step);
  if (span) parts.push(`${counted(span[2] - span[1] + 1, "round")} of thinking before the next step`);
  if (world.until >= 0 && view.step > world.until) parts.push(`only agents are up to date, the rest is as of step ${world.until}`);
  const text = parts.join(" · ");
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function go(step, agent) {
  view.step = Math.max(0, Math.min(lastStep, Math.round(step)));
  if (agent !== undefined && agent >= 0 && agent < nAgents) view.agent = agent;
  log.follow = true;
  refresh();
  if (!view.playing) remember();
}

function select(agent) {
  view.agent = agent;
  refresh();
  remember();
}

function remember() {
  try { history.replaceState(null, "", `#step=${view.step}&agent=${view.agent}`); } catch (error) { /* some browsers refuse it in local files */ }
}

function recall() {
  const asked = new URLSearchParams(location.hash.slice(1)), step = Number(asked.get("step")), agent = Number(asked.get("agent"));
  if (asked.has("step") && Number.isFinite(step)) view.step = Math.max(0, Math.min(lastStep, Math.round(step)));
  if (asked.has("agent") && Number.isInteger(agent) && agent >= 0 && agent < nAgents) view.agent = agent;
}

function play(on) {
  view.playing = on && lastStep > 0;
  clearTimeout(timer);
  if (view.playing) {
    if (view.step >= lastStep) view.step = 0;
    tick();
  } else remember();
  refresh();
}

function tick() {
  timer = setTimeout(() => {
    if (!view.playing) return;
    go(view.step + 1);
    if (view.step >= lastStep) play(false); else tick();
  }, 1000 / Number(byId("speed").value));
}

function faster(by) {
  const speed = byId("speed");
  speed.selectedIndex = Math.max(0, Math.min(speed.options.length - 1, speed.selectedIndex + by));
}

function nextHit(forward) {
  const found = forward ? allHits.find((hit) => hit[0] > view.step) : [...allHits].reverse().find((hit) => hit[0] < view.step);
  if (!found) return;
  const agents = data.failures[found[1]].hits[found[2]][2];
  go(found[0], agents.length ? agents[0] : undefined);
}

function nextAgent(by) {
  if (nAgents) select((view.agent + by + nAgents) % nAgents);
}

// Scroll the list of agents, not the page, to the selected one.
function reveal() {
  const box = byId("agents"), card = view.agent >= 0 ? cards[view.agent].card : null;
  if (!card) return;
  const top = card.offsetTop - box.offsetTop;
  if (top < box.scrollTop || top + card.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top;
}

const KEYS = {
  " ": () => play(!view.playing), ArrowRight: (event) => go(view.step + (event.shiftKey ? 10 : 1)),
  ArrowLeft: (event) => go(view.step - (event.shiftKey ? 10 : 1)), Home: () => go(0), End: () => go(lastStep),
  "]": () => nextHit(true), "[": () => nextHit(false), a: () => nextAgent(-1), d: () => nextAgent(1),
  "+": () => faster(1), "=": () => faster(1), "-": () => faster(-1), "/": () => byId("search").focus(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target, typing = at instanceof HTMLInputElement && at.type === "search" || at instanceof HTMLSelectElement;
  const onButton = event.key === " " && (at instanceof HTMLButtonElement || at instanceof HTMLInputElement && at.type === "checkbox" || at.tagName === "SUMMARY");
  if (event.key === "Escape" && typing) at.blur();
  if (typing || onButton || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key](event);
}

function onPointer() {
  let from = null;
  map.addEventListener("pointerdown", (event) => {
    const at = cellAt(event), found = at ? agentsOn(at[0], at[1], view.step) : [];
    if (found.length) select(found[0]);
    else if (event.pointerType === "mouse") { from = [event.clientX, event.clientY, camera.row, camera.col]; map.setPointerCapture(event.pointerId); }
    say(byId("pointed"), cellWords(at, view.step));
  });
  map.addEventListener("pointermove", (event) => {
    if (from) {
      camera.mode = "free";
      camera.row = from[2] - (event.clientY - from[1]) / cell;
      camera.col = from[3] - (event.clientX - from[0]) / cell;
      refresh();
    } else say(byId("pointed"), cellWords(cellAt(event), view.step));
  });
  for (const kind of ["pointerup", "pointercancel"]) map.addEventListener(kind, () => { from = null; });
  map.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    refresh();
  }, { passive: false });
}

function stripStep(event) {
  const box = strip.getBoundingClientRect();
  return xStep(event.clientX - box.left - 1);
}

function start() {
  byId("scrub").max = lastStep;
  const buttons = { first: () => go(0), back: () => go(view.step - 1), play: () => play(!view.playing), forward: () => go(view.step + 1), last: () => go(lastStep) };
  for (const name of Object.keys(buttons)) byId(name).addEventListener("click", buttons[name]);
  byId("scrub").addEventListener("input", () => go(Number(byId("scrub").value)));
  document.querySelectorAll("[data-camera]").forEach((button) => button.addEventListener("click", () => { aim(button.dataset.camera); refresh(); }));
  document.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => { zoom(Number(button.dataset.zoom)); refresh(); }));
  byId("talk").addEventListener("change", refresh);
  strip.addEventListener("pointerdown", (event) => go(stripStep(event)));
  strip.addEventListener("pointermove", (event) => { if (event.buttons & 1) go(stripStep(event)); });
  lanes.addEventListener("pointerdown", (event) => {
    const agent = Math.floor((event.clientY - lanes.getBoundingClientRect().top - 23) / Math.max(6, Math.min(24, Math.floor(560 / nAgents))));
    if (agent >= 0 && agent < nAgents) select(agent);
  });
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => { recall(); refresh(); });
  window.addEventListener("resize", refresh);
  window.addEventListener("beforeprint", draw);
  onPointer();
  recall();
  aim(camera.mode);
  legend();
  buildCards(select);
  buildRules(go, showMessage);
  buildFilters(refresh);
  draw();
  document.documentElement.dataset.ready = "yes";
}

start();
