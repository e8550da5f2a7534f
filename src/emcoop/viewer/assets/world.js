// The world on its canvas: camera, ground, things, agents, talk.
const map = byId("map");
const camera = { mode: world.kind === "cube" ? "map" : "team", row: 0, col: 0, rows: world.rows, cols: world.cols };
let cell = 10, originX = 0, originY = 0;

function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  canvas.style.width = width + "px";
  canvas.style.height = height + "px";
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

// The part of the map where the team is at a step, in a size and at a place that do not change at every step.
function surroundings(agents) {
  let top = Infinity, left = Infinity, bottom = -1, right = -1;
  for (let k = 0; k < agents.length; k += 2) if (agents[k] >= 0) {
    top = Math.min(top, agents[k]); bottom = Math.max(bottom, agents[k]);
    left = Math.min(left, agents[k + 1]); right = Math.max(right, agents[k + 1]);
  }
  if (bottom < 0) return { row: 0, col: 0, rows: world.rows, cols: world.cols };
  const fit = (low, high, all, least) => {
    const size = Math.min(all, Math.max(least, 6 * Math.ceil((high - low + 7) / 6)));
    return [Math.max(0, Math.min(all - size, 3 * Math.round(((low + high + 1 - size) / 2) / 3))), size];
  };
  const [row, rows] = fit(top, bottom, world.rows, 18), [col, cols] = fit(left, right, world.cols, 24);
  return { row: row, col: col, rows: rows, cols: cols };
}

function aim(mode) {
  camera.mode = mode;
  if (mode === "map") Object.assign(camera, { row: 0, col: 0, rows: world.rows, cols: world.cols });
  if (mode === "follow") Object.assign(camera, { rows: Math.min(world.rows, 15), cols: Math.min(world.cols, 19) });
}

function zoom(factor) {
  const rows = Math.min(Math.max(camera.rows / factor, 4), 4 * world.rows), cols = Math.min(Math.max(camera.cols / factor, 4), 4 * world.cols);
  camera.row += (camera.rows - rows) / 2;
  camera.col += (camera.cols - cols) / 2;
  camera.rows = rows;
  camera.cols = cols;
  if (camera.mode !== "follow") camera.mode = "free";
}

function centre(row, col) { return [originX + (col - camera.col + .5) * cell, originY + (row - camera.row + .5) * cell]; }

function drawWorld(view) {
  const width = map.parentElement.clientWidth - 2, widest = window.innerWidth > 820 ? 620 : 460;
  const agents = channel("agents", view.step);
  if (camera.mode === "team") Object.assign(camera, surroundings(agents));
  if (camera.mode === "follow" && view.agent >= 0 && agents[2 * view.agent] >= 0) {
    camera.row = agents[2 * view.agent] + .5 - camera.rows / 2;
    camera.col = agents[2 * view.agent + 1] + .5 - camera.cols / 2;
  }
  const height = Math.min(widest, Math.max(180, Math.round(width * camera.rows / camera.cols)));
  const pen = prepare(map, width, height);
  cell = Math.min(width / camera.cols, height / camera.rows);
  if (cell >= 6) cell = Math.floor(cell);
  originX = Math.floor((width - cell * camera.cols) / 2);
  originY = Math.floor((height - cell * camera.rows) / 2);
  bar(pen, "#3a3f47", 0, 0, width, height);
  const area = {
    top: Math.max(0, Math.floor(camera.row - originY / cell)), left: Math.max(0, Math.floor(camera.col - originX / cell)),
    bottom: Math.min(world.rows, Math.ceil(camera.row + (height - originY) / cell)),
    right: Math.min(world.cols, Math.ceil(camera.col + (width - originX) / cell)),
  };
  const shown = Math.min(view.step, Math.max(world.until, 0));
  if (world.kind === "ma_crafter") drawTerrain(pen, area, shown); else drawFloor(pen, area);
  if (world.kind === "cube") drawBlocks(pen, shown);
  drawTarget(pen, view);
  if (world.kind === "ma_crafter") drawCreatures(pen, shown);
  if (byId("talk").checked) drawTalk(pen, view, agents);
  drawAgents(pen, view, agents, shown);
  drawRulers(pen, area, width, height);
}

function corner(row, col) { return [originX + (col - camera.col) * cell, originY + (row - camera.row) * cell]; }

function drawFloor(pen, area) {
  const [x, y] = corner(area.top, area.left), w = (area.right - area.left) * cell, h = (area.bottom - area.top) * cell;
  bar(pen, "#f6f4ee", x, y, w, h);
  if (world.kind === "cube" && area.right === world.cols) {
    const goal = corner(area.top, world.cols - 1);
    bar(pen, "#f2c94c", goal[0], goal[1], cell, h);
    if (cell >= 8) for (let row = area.top; row < area.bottom; row += 1) {
      const [a, b] = corner(row, world.cols - 1);
      shape(pen, [[a + cell * .3, b + cell * .25], [a + cell * .72, b + cell * .5], [a + cell * .3, b + cell * .75]], "#8a6d00");
    }
  }
  if (cell < 6) return;
  pen.strokeStyle = "#dcd8cd";
  pen.lineWidth = 1;
  pen.beginPath();
  for (let row = area.top; row <= area.bottom; row += 1) { const at = Math.round(corner(row, 0)[1]) + .5; pen.moveTo(x, at); pen.lineTo(x + w, at); }
  for (let col = area.left; col <= area.right; col += 1) { const at = Math.round(corner(0, col)[0]) + .5; pen.moveTo(at, y); pen.lineTo(at, y + h); }
  pen.stroke();
}

function drawTerrain(pen, area, step) {
  const materials = channel("materials", step), size = Math.max(1, Math.ceil(cell));
  for (let row = area.top; row < area.bottom; row += 1) for (let col = area.left; col < area.right; col += 1) {
    const [x, y] = corner(row, col).map(Math.round), [right, bottom] = corner(row + 1, col + 1).map(Math.round);
    pen.drawImage(tile(world.materials[materials[row * world.cols + col]], size), x, y, right - x, bottom - y);
  }
  const light = channel("light", step)[0];
  if (light < 100) {
    const [x, y] = corner(area.top, area.left);
    bar(pen, `rgba(10, 14, 50, ${(100 - light) * .0035})`, x, y, (area.right - area.left) * cell, (area.bottom - area.top) * cell);
  }
}

function drawCreatures(pen, step) {
  const mobs = channel("mobs", step);
  for (let k = 0; k + 3 < mobs.length; k += 4) if (mobs[k] >= 0) {
    const [x, y] = centre(mobs[k + 1], mobs[k + 2]), name = world.mobs[mobs[k]], size = Math.max(3, Math.floor(cell));
    pen.save();
    pen.translate(x, y);
    if (name === "arrow") pen.rotate([0, Math.PI, -Math.PI / 2, Math.PI / 2][mobs[k + 3]] || 0);
    pen.drawImage(creature(name, size), -size / 2, -size / 2);
    pen.restore();
  }
}

function drawBlocks(pen, step) {
  const blocks = channel("blocks", step), delivered = channel("delivered", step);
  for (let b = 0; b < world.weights.length; b += 1) if (!delivered[b]) {
    const weight = world.weights[b], side = weight * cell, [x, y] = corner(blocks[2 * b], blocks[2 * b + 1]);
    const gap = cell >= 6 ? 1 : 0, light = weight < 4;
    bar(pen, blockColour(weight), x + gap, y + gap, side - gap, side - gap);
    pen.strokeStyle = INK;
    pen.lineWidth = cell >= 8 ? 2 : 1;
    pen.strokeRect(x + gap + .5, y + gap + .5, Math.max(1, side - gap - 1), Math.max(1, side - gap - 1));
    if (side < 11) continue;
    pen.fillStyle = light ? INK : "#ffffff";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = `700 ${Math.round(Math.min(26, Math.max(10, side * .45)))}px system-ui, "DejaVu Sans", sans-serif`;
    pen.fillText(weight, x + side / 2, y + side / 2 + (side >= 44 ? -5 : 1));
    if (side >= 44) { pen.font = "11px system-ui, sans-serif"; pen.fillText("block" + b, x + side / 2, y + side / 2 + 15); }
  }
}

// What the selected agent's plan is about.
function drawTarget(pen, view) {
  const plan = view.agent >= 0 ? planAt(view.agent, view.step) : null;
  if (!plan || plan[1][3] < view.step) return;
  const place = placeOf(texts[plan[1][1]], Math.min(view.step, Math.max(world.until, 0)));
  if (!place) return;
  const [x, y] = corner(place.row, place.col), side = place.side * cell;
  pen.lineWidth = 5; pen.strokeStyle = "#111111"; pen.strokeRect(x - 2, y - 2, side + 4, side + 4);
  pen.lineWidth = 2.5; pen.strokeStyle = "#ffe14d"; pen.strokeRect(x - 2, y - 2, side + 4, side + 4);
}

// Messages sent at this step: a ring for those to everybody, lines for the others.
function drawTalk(pen, view, agents) {
  pen.setLineDash([5, 4]);
  for (const message of inStep(data.messages, view.step).slice(0, 300)) {
    if (!(2 * message[2] in agents)) continue;
    const [x, y] = centre(agents[2 * message[2]], agents[2 * message[2] + 1]);
    if (message[3] === -1) {
      for (const [width, colour] of [[4, "#ffffff"], [2, "#4b0082"]]) {
        pen.beginPath(); pen.arc(x, y, Math.max(6, cell * .78), 0, 2 * Math.PI);
        pen.lineWidth = width; pen.strokeStyle = colour; pen.stroke();
      }
    } else for (const to of message[3].slice(0, 40)) {
      if (!(2 * to in agents)) continue;
      const [a, b] = centre(agents[2 * to], agents[2 * to + 1]);
      for (const [width, colour] of [[4, "#ffffff"], [2, "#4b0082"]]) {
        pen.beginPath(); pen.moveTo(x, y); pen.lineTo(a, b);
        pen.lineWidth = width; pen.strokeStyle = colour; pen.stroke();
      }
    }
  }
  pen.setLineDash([]);
}

function drawAgents(pen, view, agents, step) {
  const status = channel("status", step), facing = channel("facing", step), asleep = channel("asleep", step);
  const order = Array.from({ length: nAgents }, (_, k) => k).filter((k) => agents[2 * k] >= 0);
  order.sort((a, b) => (a === view.agent) - (b === view.agent));
  for (const k of order) {
    const [x, y] = centre(agents[2 * k], agents[2 * k + 1]);
    const gone = status && status[k] > 0;
    if (facing && cell >= 8 && !gone) {
      const [dy, dx] = [[-1, 0], [1, 0], [0, -1], [0, 1]][facing[k]] || [0, 0], reach = cell * .62, wide = cell * .2;
      shape(pen, [[x + dx * reach, y + dy * reach], [x + dx * .3 * cell + dy * wide, y + dy * .3 * cell + dx * wide], [x + dx * .3 * cell - dy * wide, y + dy * .3 * cell - dx * wide]], INK);
    }
    agentDisc(pen, x, y, cell, String(k), { selected: k === view.agent, gone: gone });
    if (gone && cell >= 6) {
      pen.strokeStyle = INK; pen.lineWidth = 2; pen.beginPath();
      pen.moveTo(x - cell * .3, y - cell * .3); pen.lineTo(x + cell * .3, y + cell * .3);
      pen.moveTo(x + cell * .3, y - cell * .3); pen.lineTo(x - cell * .3, y + cell * .3); pen.stroke();
    } else if (asleep && asleep[k] === 1 && cell >= 10) {
      pen.fillStyle = "#ffffff"; pen.strokeStyle = INK; pen.lineWidth = 3; pen.font = "700 12px system-ui, sans-serif";
      pen.strokeText("zz", x + cell * .42, y - cell * .42); pen.fillText("zz", x + cell * .42, y - cell * .42);
    }
  }
}

// Row and column numbers along the border, where there is room.
function drawRulers(pen, area, width, height) {
  if (cell < 7) return;
  pen.font = "10px system-ui, sans-serif";
  pen.fillStyle = "#ffffff";
  pen.textBaseline = "middle";
  const every = cell >= 22 ? 2 : 5;
  if (originX >= 18) {
    pen.textAlign = "right";
    for (let row = Math.ceil(area.top / every) * every; row < area.bottom; row += every) pen.fillText(row, corner(0, area.left)[0] - 3, centre(row, 0)[1]);
  }
  if (originY >= 14) {
    pen.textAlign = "center";
    for (let col = Math.ceil(area.left / every) * every; col < area.right; col += every) pen.fillText(col, centre(0, col)[0], corner(area.top, 0)[1] - 6);
  }
}

function cellAt(event) {
  const box = map.getBoundingClientRect();
  const row = Math.floor((event.clientY - box.top - 1 - originY) / cell + camera.row);
  const col = Math.floor((event.clientX - box.left - 1 - originX) / cell + camera.col);
  return row >= 0 && col >= 0 && row < world.rows && col < world.cols ? [row, col] : null;
}

function agentsOn(row, col, step) {
  const agents = channel("agents", step), found = [];
  for (let k = 0; k < nAgents; k += 1) if (agents[2 * k] === row && agents[2 * k + 1] === col) found.push(k);
  return found;
}

function cellWords(at, step) {
  if (!at) return "";
  const [row, col] = at, parts = [], shown = Math.min(step, Math.max(world.until, 0));
  if (world.kind === "ma_crafter") parts.push(world.materials[channel("materials", shown)[row * world.cols + col]]);
  if (world.kind === "ma_crafter") {
    const mobs = channel("mobs", shown);
    for (let k = 0; k + 3 < mobs.length; k += 4) if (mobs[k] >= 0 && mobs[k + 1] === row && mobs[k + 2] === col) parts.push(world.mobs[mobs[k]]);
  }
  if (world.kind === "cube") {
    const blocks = channel("blocks", shown), delivered = channel("delivered", shown);
    world.weights.forEach((w, b) => {
      const r = blocks[2 * b], c = blocks[2 * b + 1];
      if (!delivered[b] && row >= r && row < r + w && col >= c && col < c + w) parts.push(`block${b} of weight ${w}`);
    });
    if (col === world.cols - 1) parts.push("goal");
  }
  for (const k of agentsOn(row, col, step)) parts.push("agent " + k);
  return `Row ${row}, column ${col}` + (parts.length ? ": " + parts.join(", ") : "");
}

function legend() {
  const list = byId("legend").querySelector("ul");
  const entry = (name, draw) => {
    const item = element("li"), canvas = element("canvas"), pen = prepare(canvas, 26, 26);
    draw(pen);
    item.append(canvas, element("span", "", name));
    list.append(item);
  };
  entry("agent", (pen) => agentDisc(pen, 13, 13, 26, "3", {}));
  entry("selected agent", (pen) => agentDisc(pen, 13, 13, 26, "3", { selected: true }));
  entry("its target", (pen) => { pen.lineWidth = 5; pen.strokeRect(5, 5, 16, 16); pen.lineWidth = 2.5; pen.strokeStyle = "#ffe14d"; pen.strokeRect(5, 5, 16, 16); });
  if (world.kind === "cube") {
    for (const weight of [...new Set(world.weights)].sort((a, b) => a - b)) entry(`weight ${weight}`, (pen) => bar(pen, blockColour(weight), 2, 2, 22, 22));
    entry("goal", (pen) => bar(pen, "#f2c94c", 0, 0, 26, 26));
  }
  if (world.kind === "ma_crafter") {
    for (const name of world.materials) if (name !== "outside") entry(name, (pen) => pen.drawImage(tile(name, 26), 0, 0));
    for (const name of world.mobs) entry(name, (pen) => pen.drawImage(creature(name, 26), 0, 0));
  }
  entry("speaks to everybody", (pen) => { pen.setLineDash([5, 4]); pen.lineWidth = 2; pen.strokeStyle = "#4b0082"; pen.beginPath(); pen.arc(13, 13, 11, 0, 7); pen.stroke(); });
}
