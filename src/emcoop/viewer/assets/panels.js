// Panels of the step shown: agents, tasks, happenings, failures.
const cards = [];

function buildCards(select) {
  const box = byId("agents");
  for (let k = 0; k < nAgents; k += 1) {
    const card = element("button", "agent"), right = element("span"), parts = {};
    card.append(element("span", "who", String(k)), right);
    for (const name of ["head", "plan", "last", "bag"]) { parts[name] = element("span", name); right.append(parts[name]); }
    card.addEventListener("click", () => select(k));
    box.append(card);
    cards.push({ card: card, parts: parts, shown: "" });
  }
}

function lifeWords(agent, step) {
  const known = Math.min(step, Math.max(world.until, 0)), status = channel("status", known), asleep = channel("asleep", known);
  if (status && status[agent] === 1) return "down";
  if (status && status[agent] === 2) return "gone";
  const hit = data.faults.filter((row) => row[3] === agent && row[0] <= step && step < row[1]).map((row) => `injected fault: ${texts[row[4]]}`);
  return [...(asleep && asleep[agent] === 1 ? ["asleep"] : []), ...new Set(hit)].join(", ");
}

function bagWords(agent, step) {
  const parts = [], items = channel("items", step), vitals = channel("vitals", step);
  if (items) {
    const width = world.items.length, held = world.items.map((name, i) => [name, items[agent * width + i]]).filter((pair) => pair[1] > 0);
    parts.push("carries " + (held.length ? held.map((pair) => `${pair[1]} ${pair[0].replace(/_/g, " ")}`).join(", ") : "nothing"));
  }
  if (vitals) parts.push(world.vitals.map((name, i) => `${name} ${vitals[agent * world.vitals.length + i]}`).join(", "));
  return parts.join(" · ");
}

// What to show of one agent at one step, as plain values.
function agentState(agent, step) {
  const known = Math.min(step, Math.max(world.until, 0)), calls = callsOf[agent], upTo = countUpTo(calls, step, first);
  const path = inStep(stagesOf[agent], step).map((row) => row[2]).join(""), before = lastUpTo(stagesOf[agent], step);
  const held = planAt(agent, step), inForce = held && (step < held[1][3] || (step === held[1][3] && !texts[held[1][4]]));
  let current = -1, last = "";
  for (let k = upTo - 1; k >= 0 && !(last && current !== -1); k -= 1) {
    const outcome = texts[calls[k][4]];
    if (outcome === "start") { if (current === -1 && held && calls[k][2] === held[2] && inForce) current = calls[k][3]; }
    else if (!last) last = `${texts[calls[k][5]]} ${outcome.replace(":", ": ").replace(/_/g, " ")} at step ${calls[k][0]}`;
    if (held && calls[k][2] !== held[2] && current === -1) current = -2;
  }
  return { path: path || (before ? before[2].slice(-1) : "R"), plan: held ? held[1] : null, inForce: inForce, current: current,
    last: last, bag: bagWords(agent, known), life: lifeWords(agent, step) };
}

function drawCard(agent, step, selected) {
  const state = agentState(agent, step), { card, parts } = cards[agent];
  const key = JSON.stringify(state);
  const pressed = String(agent === selected);
  if (card.getAttribute("aria-pressed") !== pressed) card.setAttribute("aria-pressed", pressed);
  if (cards[agent].shown === key) return;
  cards[agent].shown = key;
  parts.head.replaceChildren(...[...state.path].slice(-8).map((letter) => element("b", "stage " + letter, letter)));
  const task = state.plan ? texts[state.plan[1]] : "";
  if (state.life) parts.head.append(element("b", "", ` ${state.life} `));
  if (!/^(down|gone)/.test(state.life)) parts.head.append(element("bdi", "", !state.plan ? " no plan yet" : !state.inForce ? " no plan" : task ? ` for ${task}` : " no task"));
  parts.plan.replaceChildren();
  if (state.plan && state.inForce) state.plan[5].forEach((call, k) => {
    if (k) parts.plan.append(" → ");
    parts.plan.append(element(k === state.current ? "b" : k < state.current ? "i" : "bdi", "", (k < state.current ? "✓ " : "") + texts[call]));
  });
  else if (state.plan) parts.plan.append(element("i", "", `last plan${task ? " for " + task : ""}: ${texts[state.plan[4]]} at step ${state.plan[3]}`));
  say(parts.last, state.last ? "last call: " + state.last : "");
  say(parts.bag, state.bag);
}

function drawReply(view) {
  const box = byId("reply"), row = view.agent >= 0 ? lastUpTo(modelsOf[view.agent], view.step) : null;
  box.hidden = !row;
  if (!row) return;
  say(box.querySelector("h3"), `Last model reply of agent ${view.agent}, step ${row[0]}: ${texts[row[2]]}`);
  say(box.querySelector("pre"), texts[row[3]]);
}

function meter(have, need, label) {
  const cellOf = element("td", have < need ? "short" : ""), box = element("span", "meter"), fill = element("i");
  fill.style.width = Math.round(100 * Math.min(1, have / Math.max(1, need))) + "%";
  box.append(fill);
  cellOf.title = label;
  cellOf.append(box, element("b", "", `${have}/${need}`));
  return cellOf;
}

let tasksShown = "";

function drawTasks(view) {
  const rows = [];
  for (const task of data.tasks) {
    const row = lastUpTo(task.slice(1), view.step);
    if (row && row.length > 1) rows.push([texts[task[0]], row]);
  }
  const key = JSON.stringify(rows);
  say(byId("tasks-when"), `at step ${view.step}`);
  if (key === tasksShown) return;
  tasksShown = key;
  const box = byId("tasks");
  if (!rows.length) { box.replaceChildren(element("p", "note", "Nobody is committed to a task at this step.")); return; }
  const table = element("table"), head = element("tr");
  ["task", "depends on", "participation", "spatial", "temporal", "joint", "who"].forEach((name) => head.append(element("th", "", name)));
  table.append(head);
  for (const [name, row] of rows.slice(0, 120)) {
    const line = element("tr"), [, need, committed, inPlace, acting, dependency, joint, success] = row, label = element("td");
    label.append(element("bdi", "", name + (success ? " ✓" : "")));
    line.append(label, meter(dependency, 1, "prerequisites hold"), meter(committed, need, "committed"), meter(inPlace, need, "stand where the task needs them"),
      meter(acting, need, "in place, and act as it needs"), meter(joint, need, "committed, in place and acting"), element("td", "who", row[8].slice(0, 24).join(", ") + (row[8].length > 24 ? ` and ${row[8].length - 24} more` : "")));
    table.append(line);
  }
  box.replaceChildren(table);
  if (rows.length > 120) box.append(element("p", "note", `${rows.length - 120} more tasks`));
}

function drawEvents(view) {
  const rows = inStep(data.happenings, view.step), box = byId("events");
  const faults = data.faults.filter((row) => row[0] <= view.step && view.step <= row[1]);
  const lines = [...faults.slice(0, 40).map((row) => "injected fault: " + texts[row[2]]), ...rows.slice(0, 80).map((row) => texts[row[1]])];
  const left = rows.length + faults.length - lines.length;
  if (left > 0) lines.push(`${left} more`);
  box.replaceChildren(...(lines.length ? lines.map((line) => element("p", "said", line)) : [element("p", "note", "Nothing happened in the world.")]));
}

// Failures.
const allHits = [];
data.failures.forEach((rule, r) => rule.hits.forEach((hit, h) => allHits.push([hit[0], r, h])));
allHits.sort((a, b) => a[0] - b[0] || a[1] - b[1]);

function whenWords(hit) { return hit[0] === hit[1] ? `step ${hit[0]}` : `steps ${hit[0]} to ${hit[1]}`; }

function hitWords(hit) {
  const task = texts[hit[3]], note = texts[hit[4]];
  return `${listAgents(hit[2])}${task ? ", " + task : ""}${note ? ": " + note : ""}`;
}

function drawHits(view) {
  const box = byId("step-failures"), lines = [];
  for (const rule of data.failures) {
    const hits = rule.hits.filter((hit) => hit[0] <= view.step && view.step <= hit[1]);
    for (const hit of hits.slice(0, 12)) {
      const line = element("p", "said");
      line.append(element("span", "badge " + rule.severity, rule.id), ` ${rule.name}, ${whenWords(hit)}, `, element("bdi", "", hitWords(hit)));
      lines.push(line);
    }
    if (hits.length > 12) lines.push(element("p", "note", `${hits.length - 12} more hits of ${rule.id}`));
  }
  box.replaceChildren(...lines);
}

function buildRules(go, showMessage) {
  const box = byId("rules");
  say(byId("failure-count"), data.failures.length ? counted(data.failures.reduce((sum, rule) => sum + rule.count, 0), "hit") + " of " + counted(data.failures.length, "rule") : "");
  if (!data.failures.length) box.append(element("p", "note", "No failure rule hit in this episode."));
  const fillers = data.failures.map((rule) => {
    const details = element("details"), summary = element("summary");
    summary.append(element("span", "badge " + rule.severity, rule.id), ` ${rule.name}: ${rule.count} of ${rule.opportunities} `, element("span", "note", texts[rule.says]));
    details.append(summary);
    box.append(details);
    const fill = () => { if (details.childElementCount === 1) fillRule(details, rule, 0, go, showMessage); };
    details.addEventListener("toggle", fill);
    return fill;
  });
  window.addEventListener("beforeprint", () => fillers.forEach((fill) => fill()));
}

function fillRule(details, rule, from, go, showMessage) {
  for (const hit of rule.hits.slice(from, from + 30)) {
    const line = element("div", "hit"), jump = element("button", "jump", whenWords(hit));
    jump.addEventListener("click", () => go(hit[0], hit[2].length ? hit[2][0] : undefined));
    line.append(jump, " ", element("bdi", "", hitWords(hit)));
    if (hit.length > 6) line.append(" · evidence: ");
    for (const [step, what, message] of hit.slice(6)) {
      const proof = element("button", "jump", (texts[what] ? texts[what] + ", " : "") + "step " + step);
      proof.addEventListener("click", () => { go(step); if (message >= 0) showMessage(message); });
      line.append(proof, " ");
    }
    if (hit[5] > hit.length - 6) line.append(`and ${hit[5] - (hit.length - 6)} more`);
    details.append(line);
  }
  const left = rule.hits.length - from - 30;
  if (left > 0) {
    const more = element("button", "jump", `${left} more`);
    more.addEventListener("click", () => { more.remove(); fillRule(details, rule, from + 30, go, showMessage); });
    details.append(more);
  } else if (rule.count > rule.hits.length) details.append(element("p", "note", `${rule.count - rule.hits.length} more hits are not in this page.`));
}
