// What the page knows: the packed data, channels as arrays at any step, and look-ups by step.
const data = JSON.parse(document.getElementById("data").textContent);
const texts = data.texts, world = data.world, lastStep = data.steps, nAgents = data.agents;
const KEYFRAME = 64;

function byId(id) { return document.getElementById(id); }

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function counted(number, what) { return `${number} ${what}${number === 1 ? "" : "s"}`; }

function say(node, text) { if (node.textContent !== text) node.textContent = text; }

// The number of entries of a list, ordered by key, that come at or before a step.
function countUpTo(list, step, key) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(list[middle]) <= step) low = middle + 1; else high = middle;
  }
  return low;
}

const first = (row) => row[0];

function inStep(list, step) { return list.slice(countUpTo(list, step - 1, first), countUpTo(list, step, first)); }

function lastUpTo(list, step, key) { return list[countUpTo(list, step, key || first) - 1]; }

// A channel keeps its array at one step and every KEYFRAME steps, and plays changes in between.
function openChannel(packed) {
  let now = new Int32Array(packed.size).fill(-1), at = 0, next = 0;
  for (let run = 0, place = 0; run < packed.first.length; run += 2) {
    now.fill(packed.first[run], place, place += packed.first[run + 1]);
  }
  const frames = new Map([[0, { array: now.slice(), next: 0 }]]), changes = packed.changes;
  return function atStep(step) {
    if (step < at) {
      let base = Math.floor(step / KEYFRAME) * KEYFRAME;
      while (!frames.has(base)) base -= KEYFRAME;
      const frame = frames.get(base);
      now = frame.array.slice();
      next = frame.next;
      at = base;
    }
    while (at < step) {
      at += 1;
      for (; next < changes.length && changes[next][0] <= at; next += 1) {
        for (let k = 1; k < changes[next].length; k += 2) now[changes[next][k]] = changes[next][k + 1];
      }
      if (at % KEYFRAME === 0 && !frames.has(at)) frames.set(at, { array: now.slice(), next: next });
    }
    return now;
  };
}

const channels = {};
for (const name of Object.keys(world.channels)) channels[name] = openChannel(world.channels[name]);

function channel(name, step) { return channels[name] ? channels[name](step) : null; }

function perAgent() { return Array.from({ length: nAgents }, () => []); }

function grouped(rows, place) {
  const lists = perAgent();
  rows.forEach((row) => { if (lists[row[place]]) lists[row[place]].push(row); });
  return lists;
}

const stagesOf = grouped(data.stages, 1);
const callsOf = grouped(data.calls, 1);
const modelsOf = grouped(data.models, 1);
const plansOf = perAgent();
data.plans.forEach((plan, id) => { if (plansOf[plan[0]]) plansOf[plan[0]].push([plan[2], plan, id]); });

function planAt(agent, step) { return lastUpTo(plansOf[agent], step); }

// The place of a task: {row, col, side} or null.
function placeOf(task, step) {
  const cell = /@(\d+),(\d+)$/.exec(task);
  if (cell) return { row: +cell[1], col: +cell[2], side: 1 };
  const block = /^block(\d+)(\/|$)/.exec(task);
  if (block && world.kind === "cube" && +block[1] < world.weights.length) {
    const blocks = channel("blocks", step), b = +block[1];
    if (!channel("delivered", step)[b]) return { row: blocks[2 * b], col: blocks[2 * b + 1], side: world.weights[b] };
  }
  return null;
}

function listAgents(agents) {
  if (!agents.length) return "the team";
  const more = agents.length > 12 ? ` and ${agents.length - 12} more` : "";
  return (agents.length === 1 ? "agent " : "agents ") + agents.slice(0, 12).join(", ") + more;
}

function recipients(message) {
  const to = message[3];
  return to === -1 ? "all" : to.slice(0, 12).join(", ") + (to.length > 12 ? ", ..." : "");
}
