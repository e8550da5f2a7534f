// Messages: those of the step shown, and the log of all with its filters.
const PAGE = 50;
const log = { found: data.messages.map((_, k) => k), page: 0, marked: -1, follow: true };
const LOSS = /dropped|expired|muted|out of range|not permitted|over budget|no such agent/;

function messageLine(id, go) {
  const row = data.messages[id], line = element("div", "said"), jump = element("button", "jump", "step " + row[0]);
  const [act, text, facts, fate, untrue] = [row[4], row[5], row[6], row[8], row[9]].map((k) => texts[k]);
  jump.addEventListener("click", () => go(row[0], row[2]));
  line.append(jump, ` ${row[2]} → ${recipients(row)} `, element("bdi", "act", act), " ");
  if (text) line.append(element("bdi", "text", text), " ");
  if (facts) line.append(element("bdi", "note", facts), " ");
  if (fate) line.append(element("span", "note", `[${fate}]`));
  if (untrue) line.append(" ", element("bdi", "untrue", "untrue: " + untrue));
  line.dataset.message = id;
  return line;
}

function drawSaid(view, go) {
  const from = countUpTo(data.messages, view.step - 1, first), to = countUpTo(data.messages, view.step, first), box = byId("said"), lines = [];
  for (let id = from; id < Math.min(to, from + 60); id += 1) lines.push(messageLine(id, go));
  if (to - from > 60) lines.push(element("p", "note", `${to - from - 60} more, see below`));
  box.replaceChildren(...(lines.length ? lines : [element("p", "note", data.messages.length ? "None." : "Nobody sent a message in this episode.")]));
}

function buildFilters(refresh) {
  const acts = [...new Set(data.messages.map((row) => row[4]))].map((k) => texts[k]).sort();
  for (const act of acts) byId("act").append(new Option(act, act));
  for (let k = 0; k < nAgents; k += 1) byId("sender").append(new Option("agent " + k, k));
  for (const [id, kind] of [["search", "input"], ["sender", "change"], ["act", "change"], ["lost", "change"]]) {
    byId(id).addEventListener(kind, () => { filter(); log.follow = true; refresh(); });
  }
  const turn = (by) => { log.follow = false; log.page = Math.max(0, Math.min(log.page + by, Math.ceil(log.found.length / PAGE) - 1)); drawLog(); };
  byId("earlier").addEventListener("click", () => turn(-1));
  byId("later").addEventListener("click", () => turn(1));
  byId("here").addEventListener("click", () => { log.follow = true; refresh(); });
}

function filter() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const sender = byId("sender").value, act = byId("act").value, lost = byId("lost").checked;
  const lower = new Map(), small = (k) => { if (!lower.has(k)) lower.set(k, texts[k].toLowerCase()); return lower.get(k); };
  log.found = [];
  data.messages.forEach((row, id) => {
    if (sender !== "" && row[2] !== +sender) return;
    if (act !== "" && texts[row[4]] !== act) return;
    if (lost && !texts[row[9]] && !LOSS.test(texts[row[8]])) return;
    if (words.every((word) => [row[4], row[5], row[6]].some((k) => small(k).includes(word)))) log.found.push(id);
  });
}

let logGo = null, logStep = 0;

function followLog(view, go) {
  logGo = go;
  logStep = view.step;
  if (log.follow) {
    const before = log.found.findIndex((id) => data.messages[id][0] >= view.step);
    log.page = Math.floor(Math.max(0, before === -1 ? log.found.length - 1 : before) / PAGE);
  }
  drawLog();
}

function drawLog() {
  const from = log.page * PAGE, ids = log.found.slice(from, from + PAGE), key = ids.join() + "/" + log.marked, box = byId("log");
  const range = ids.length ? `${from + 1} to ${from + ids.length} of ` : "";
  say(byId("log-count"), `${range}${log.found.length}${log.found.length < data.messages.length ? ` found among ${data.messages.length}` : ""}`);
  if (box.dataset.key !== key) {
    box.dataset.key = key;
    box.replaceChildren(...ids.map((id) => messageLine(id, logGo)));
    if (!ids.length) box.append(element("p", "note", data.messages.length ? "No message fits." : "Nobody sent a message in this episode."));
  }
  for (const line of box.children) {
    const id = line.dataset.message;
    if (id === undefined) continue;
    line.classList.toggle("current", data.messages[id][0] === logStep);
    line.classList.toggle("marked", +id === log.marked);
  }
  byId("earlier").disabled = log.page <= 0;
  byId("later").disabled = from + PAGE >= log.found.length;
}

// Show one message in the log, whatever the filters were.
function showMessage(id) {
  for (const name of ["search", "sender", "act"]) byId(name).value = "";
  byId("lost").checked = false;
  filter();
  log.marked = id;
  log.page = Math.floor(id / PAGE);
  log.follow = false;
  drawLog();
  const line = byId("log").querySelector(".marked");
  if (line) line.scrollIntoView({ block: "center" });
}
