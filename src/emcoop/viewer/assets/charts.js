// The strip (progress, failures, faults over all steps) and the lanes (decisions and messages around one step).
const strip = byId("strip"), lanes = byId("lanes");
const COLOURS = { F: "#b3470a", W: "#f3c56b", fault: "#7a5195", line: "#0072b2", done: "#00785a" };
const stripLayout = { left: 40, right: 12, width: 0, rows: [] };

function stepX(step) {
  return stripLayout.left + (stripLayout.width - stripLayout.left - stripLayout.right) * step / Math.max(1, lastStep);
}

function xStep(x) {
  const share = (x - stripLayout.left) / (stripLayout.width - stripLayout.left - stripLayout.right);
  return Math.max(0, Math.min(lastStep, Math.round(share * lastStep)));
}

function niceStep(span, most) {
  let step = 1;
  while (span / step > most) step *= [2, 2.5, 2][String(step).replace(/0+$/, "") === "1" ? 0 : String(step)[0] === "2" ? 1 : 2];
  return step;
}

function drawStrip(view) {
  const width = strip.parentElement.clientWidth - 2, wide = width > 700, rowHeight = 17, top = 12, curve = 92;
  const rows = data.failures.length + (data.faults.length ? 1 : 0), height = top + curve + 24 + rows * rowHeight + 4;
  stripLayout.width = width;
  stripLayout.left = wide ? 190 : 44;
  stripLayout.rows = [];
  const pen = prepare(strip, width, height), y = (value) => top + curve * (1 - Math.max(0, Math.min(1, value)));
  pen.font = "11px system-ui, sans-serif";
  bar(pen, "#ffffff", 0, 0, width, height);
  pen.strokeStyle = "#e2e2e2"; pen.fillStyle = "#4d4d4d"; pen.textBaseline = "middle"; pen.textAlign = "right";
  for (const value of [0, .5, 1]) {
    pen.beginPath(); pen.moveTo(stripLayout.left, y(value) + .5); pen.lineTo(width - stripLayout.right, y(value) + .5); pen.stroke();
    pen.fillText(value, stripLayout.left - 6, y(value));
  }
  pen.textAlign = "left";
  if (wide) pen.fillText("progress", 6, y(.5));
  pen.textAlign = "center";
  const every = niceStep(lastStep, wide ? 12 : 6);
  for (let step = 0; step <= lastStep; step += every) pen.fillText(step, stepX(step), top + curve + 12);
  drawCurve(pen, y);
  drawRows(pen, top + curve + 24, rowHeight, wide, width);
  const x = Math.round(stepX(view.step)) + .5;
  pen.strokeStyle = INK; pen.lineWidth = 2; pen.beginPath(); pen.moveTo(x, 2); pen.lineTo(x, height - 2); pen.stroke();
  shape(pen, [[x - 6, 1], [x + 6, 1], [x, 9]], INK);
}

function drawCurve(pen, y) {
  if (!data.progress.length) return;
  pen.strokeStyle = COLOURS.line; pen.lineWidth = 2; pen.lineJoin = "round";
  pen.beginPath();
  data.progress.forEach((value, step) => {
    if (step) { pen.lineTo(stepX(step), y(data.progress[step - 1])); pen.lineTo(stepX(step), y(value)); } else pen.moveTo(stepX(0), y(value));
  });
  pen.stroke();
  for (const row of data.happenings) if (row[2] === 1) disc(pen, stepX(row[0]), y(data.progress[Math.min(row[0], data.progress.length - 1)]), 3.5, COLOURS.done, "#ffffff");
}

function drawRows(pen, top, rowHeight, wide, width) {
  const label = (text, y) => {
    pen.fillStyle = INK; pen.textAlign = "left";
    let shown = text;
    while (shown.length > 4 && pen.measureText(shown).width > stripLayout.left - 12) shown = shown.slice(0, -2);
    pen.fillText(shown, 6, y + rowHeight / 2);
  };
  const mark = (from, to, y, fill) => {
    const x = stepX(from), w = Math.max(3, stepX(to) - x);
    bar(pen, INK, x - .5, y + 2, w + 1, rowHeight - 4);
    bar(pen, fill, x + .5, y + 3, Math.max(1, w - 1), rowHeight - 6);
  };
  let y = top;
  for (const rule of data.failures) {
    bar(pen, "#f4f4f1", stripLayout.left, y + 1, width - stripLayout.left - stripLayout.right, rowHeight - 2);
    label(wide ? `${rule.id} ${rule.name} (${rule.count})` : rule.id, y);
    for (const hit of rule.hits) mark(hit[0], Math.min(hit[1], lastStep), y, COLOURS[rule.severity] || COLOURS.W);
    stripLayout.rows.push([y, y + rowHeight]);
    y += rowHeight;
  }
  if (data.faults.length) {
    label(wide ? `injected faults (${data.faults.length})` : "faults", y);
    for (const fault of data.faults) mark(fault[0], fault[1], y, COLOURS.fault);
  }
}

// Lanes. Time runs by steps; the rounds of thinking before a step share its first four fifths.
const spans = new Map(data.rounds.map((row) => [row[0], row]));

function momentX(step, round) {
  const span = spans.get(step);
  return span && round >= span[1] ? step + .8 * (round - span[1] + .5) / (span[2] - span[1] + 1) : step;
}

const LOOKS = [["#0072b2", []], ["#e69f00", [6, 4]], ["#777777", [2, 3]], ["#b3508f", [8, 3, 2, 3]], ["#b3470a", [3, 3]]];
const LOOK_NAMES = ["used", "put aside", "discarded", "passed on", "unread"];

function drawLanes(view) {
  const width = lanes.parentElement.clientWidth - 4, top = 22, left = 34;
  const lane = Math.max(6, Math.min(24, Math.floor(560 / nAgents))), height = top + lane * nAgents + 26;
  const span = width > 700 ? 10 : 5, begin = Math.max(0, Math.min(view.step - span / 2, lastStep + 1 - span)), end = begin + span;
  const pen = prepare(lanes, width, height), x = (moment) => left + (width - left - 8) * (moment - begin) / span;
  const y = (agent) => top + lane * (agent + .5);
  bar(pen, "#ffffff", 0, 0, width, height);
  bar(pen, "#fff6cf", x(view.step), top, x(view.step + 1) - x(view.step), height - top - 20);
  pen.font = "11px system-ui, sans-serif"; pen.fillStyle = "#4d4d4d"; pen.textBaseline = "middle"; pen.lineWidth = 1;
  pen.textAlign = "left";
  for (let step = Math.ceil(begin); step < end; step += 1) {
    pen.strokeStyle = "#d5d5d5"; pen.beginPath(); pen.moveTo(x(step) + .5, top); pen.lineTo(x(step) + .5, height - 20); pen.stroke();
    pen.fillText("step " + step, x(step) + 3, 11);
  }
  pen.textAlign = "right";
  for (let k = 0; k < nAgents; k += 1) {
    pen.strokeStyle = k === view.agent ? INK : "#e2e2e2"; pen.lineWidth = k === view.agent ? 2 : 1;
    pen.beginPath(); pen.moveTo(left, y(k)); pen.lineTo(width - 8, y(k)); pen.stroke();
    if (lane >= 11 || k % Math.ceil(11 / lane) === 0) pen.fillText(k, left - 6, y(k));
  }
  pen.save();
  pen.beginPath(); pen.rect(left, 0, width - left, height); pen.clip();
  const drawn = drawArrivals(pen, begin, end, x, y, view);
  drawDecisions(pen, begin, end, x, y, lane);
  pen.restore();
  lanesKey(pen, width, height);
  lanesNote(drawn);
}

function drawArrivals(pen, begin, end, x, y, view) {
  if (!data.deliveries) return 0;
  const from = countUpTo(data.deliveries, begin - 1, first), to = countUpTo(data.deliveries, end, first);
  let drawn = 0;
  for (const row of data.deliveries.slice(from, to)) for (let k = 4; k < row.length; k += 1) {
    const message = data.messages[row[k]];
    if (nAgents > 12 && view.agent >= 0 && row[2] !== view.agent && message[2] !== view.agent) continue;
    if ((drawn += 1) > 3000) return drawn;
    const [colour, dashes] = LOOKS[row[3]] || LOOKS[0], a = x(momentX(message[0], message[1])), b = x(momentX(row[0], row[1]));
    pen.strokeStyle = colour; pen.setLineDash(dashes); pen.lineWidth = 1.2; pen.globalAlpha = .75;
    pen.beginPath(); pen.moveTo(a, y(message[2]));
    pen.bezierCurveTo(a + (b - a) / 2, y(message[2]), a + (b - a) / 2, y(row[2]), b, y(row[2])); pen.stroke();
  }
  pen.globalAlpha = 1; pen.setLineDash([]);
  return drawn;
}

function drawDecisions(pen, begin, end, x, y, lane) {
  const from = countUpTo(data.decisions, begin - 1, first), to = countUpTo(data.decisions, end, first), size = Math.max(2.2, Math.min(5, lane / 3));
  pen.lineWidth = 1.5;
  for (const [step, round, agent, outcome] of data.decisions.slice(from, to)) {
    const a = x(momentX(step, round)), b = y(agent);
    pen.strokeStyle = INK;
    if (outcome === 0) disc(pen, a, b, size, INK);
    else if (outcome === 3) { pen.beginPath(); pen.moveTo(a - size, b - size); pen.lineTo(a + size, b + size); pen.moveTo(a + size, b - size); pen.lineTo(a - size, b + size); pen.stroke(); }
    else if (outcome === 1) shape(pen, [[a - size, b - size], [a + size, b], [a - size, b + size]], "#ffffff", INK);
    else disc(pen, a, b, size, "#ffffff", INK, 1.2);
  }
}

function lanesKey(pen, width, height) {
  let at = 34;
  pen.textAlign = "left"; pen.textBaseline = "middle"; pen.fillStyle = INK; pen.font = "11px system-ui, sans-serif";
  LOOKS.forEach(([colour, dashes], k) => {
    if (at > width - 90) return;
    pen.strokeStyle = colour; pen.setLineDash(dashes); pen.lineWidth = 2;
    pen.beginPath(); pen.moveTo(at, height - 9); pen.lineTo(at + 24, height - 9); pen.stroke();
    pen.fillText(LOOK_NAMES[k], at + 28, height - 9);
    at += 38 + pen.measureText(LOOK_NAMES[k]).width;
  });
  pen.setLineDash([]);
}

function lanesNote(drawn) {
  const parts = ["One line per agent. Filled: decided on a plan; hollow: spoke or listened; triangle: went on; cross: forced. Curves: messages, from sender to reader."];
  if (!data.deliveries) parts.push("This episode has too many messages to draw who read which.");
  else if (nAgents > 12) parts.push("Only messages from and to the selected agent are drawn.");
  if (drawn > 3000) parts.push("Only the first 3,000 are drawn.");
  say(byId("lanes-note"), parts.join(" "));
}
