// How one cell looks. Every material has its own brightness and its own shape, so colour alone decides nothing.
const INK = "#1a1a1a", AGENT = "#c8420a", BLOCKS = ["#a9dcd3", "#6cc0ca", "#3a9ac0", "#2f7db8", "#3563ab", "#3e4c98", "#41397f", "#33204f"];
const GROUND = { outside: "#2b2b2b", grass: "#a9d18e", water: "#4f8fd6", stone: "#a6a6ad", path: "#c2ab8c", sand: "#efe2b4",
  tree: "#a9d18e", lava: "#d9480f", coal: "#a6a6ad", iron: "#a6a6ad", diamond: "#a6a6ad", table: "#c2ab8c", furnace: "#c2ab8c",
  plant: "#a9d18e", "ripe plant": "#a9d18e" };

function disc(pen, x, y, radius, fill, rim, width) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = fill;
  pen.fill();
  if (rim) { pen.strokeStyle = rim; pen.lineWidth = width || 1; pen.stroke(); }
}

function shape(pen, points, fill, rim) {
  pen.beginPath();
  points.forEach((p, k) => { if (k) pen.lineTo(p[0], p[1]); else pen.moveTo(p[0], p[1]); });
  pen.closePath();
  if (fill) { pen.fillStyle = fill; pen.fill(); }
  if (rim) { pen.strokeStyle = rim; pen.stroke(); }
}

function bar(pen, fill, x, y, w, h) { pen.fillStyle = fill; pen.fillRect(x, y, w, h); }

// Draw a material in a unit square that the pen is scaled to.
const FIGURES = {
  water(pen) { bar(pen, "#8dbcf0", .1, .28, .45, .09); bar(pen, "#8dbcf0", .45, .62, .45, .09); },
  stone(pen) { bar(pen, "#85858d", 0, .46, 1, .07); bar(pen, "#85858d", .46, 0, .07, .46); bar(pen, "#85858d", .22, .5, .07, .5); bar(pen, "#85858d", .74, .5, .07, .5); },
  tree(pen) { bar(pen, "#6b4a2b", .43, .6, .14, .34); disc(pen, .5, .4, .34, "#2d6a35"); disc(pen, .4, .32, .12, "#3f8548"); },
  lava(pen) { shape(pen, [[.15, .75], [.32, .3], [.46, .6], [.6, .2], [.86, .75]], "#ffd166"); },
  coal(pen) { [[.3, .3], [.68, .36], [.42, .68], [.76, .74]].forEach((p) => disc(pen, p[0], p[1], .13, "#1a1a1a")); },
  iron(pen) { [[.3, .34], [.7, .3], [.5, .72]].forEach((p) => shape(pen, [[p[0], p[1] - .17], [p[0] + .17, p[1] + .13], [p[0] - .17, p[1] + .13]], "#f4b183", "#5a3418")); },
  diamond(pen) { shape(pen, [[.5, .1], [.88, .5], [.5, .9], [.12, .5]], "#ffffff", "#1f4e79"); shape(pen, [[.5, .1], [.66, .5], [.5, .9]], "#9fd8f5"); },
  table(pen) { bar(pen, "#7a4a1e", .1, .26, .8, .2); bar(pen, "#7a4a1e", .16, .46, .13, .42); bar(pen, "#7a4a1e", .71, .46, .13, .42); },
  furnace(pen) { bar(pen, "#4a4a50", .1, .1, .8, .8); bar(pen, "#ff9f1c", .28, .5, .44, .28); bar(pen, "#1a1a1a", .28, .22, .44, .14); },
  plant(pen) { bar(pen, "#2d6a35", .46, .45, .08, .45); disc(pen, .36, .46, .13, "#4f9d58"); disc(pen, .64, .4, .13, "#4f9d58"); },
  "ripe plant"(pen) { FIGURES.plant(pen); disc(pen, .5, .3, .17, "#c2185b", "#ffffff", .04); },
};
const CREATURES = {
  zombie(pen) { bar(pen, "#3b6b35", .24, .08, .52, .4); bar(pen, "#24452a", .2, .5, .6, .44); bar(pen, "#ffffff", .33, .2, .12, .1); bar(pen, "#ffffff", .56, .2, .12, .1); },
  skeleton(pen) { bar(pen, "#f5f5f5", .26, .06, .48, .4); bar(pen, "#111111", .34, .18, .12, .12); bar(pen, "#111111", .55, .18, .12, .12); [.54, .68, .82].forEach((y) => bar(pen, "#f5f5f5", .26, y, .48, .08)); },
  arrow(pen) { bar(pen, "#3a2a1a", .46, .12, .08, .76); shape(pen, [[.5, .02], [.68, .28], [.32, .28]], "#3a2a1a"); },
  cow(pen) { bar(pen, "#5b3a21", .12, .3, .76, .42); bar(pen, "#ffffff", .3, .36, .2, .2); bar(pen, "#5b3a21", .18, .7, .12, .22); bar(pen, "#5b3a21", .7, .7, .12, .22); bar(pen, "#ffffff", .76, .2, .2, .2); },
};
const tileCache = new Map();

function painted(name, size, draw, ground) {
  const key = name + "/" + size;
  if (!tileCache.has(key)) {
    if (tileCache.size > 400) tileCache.clear();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.max(1, size);
    const pen = canvas.getContext("2d");
    if (ground) bar(pen, ground, 0, 0, size, size);
    pen.scale(size, size);
    pen.lineWidth = .04;
    if (draw && size >= 5) draw(pen);
    tileCache.set(key, canvas);
  }
  return tileCache.get(key);
}

function tile(name, size) { return painted(name, size, FIGURES[name], GROUND[name] || "#dddddd"); }

function creature(name, size) { return painted("mob " + name, size, CREATURES[name] || ((pen) => bar(pen, "#663399", .2, .2, .6, .6))); }

function blockColour(weight) { return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor(Math.log2(Math.max(1, weight))))]; }

function agentDisc(pen, x, y, size, label, look) {
  const radius = Math.max(2.4, size * .42), rim = look.selected ? "#ffe14d" : size >= 6 ? "#ffffff" : null;
  if (look.selected && size < 11) for (const [wide, ink] of [[5, "#111111"], [2.5, "#ffe14d"]]) {
    pen.beginPath(); pen.arc(x, y, 10, 0, 2 * Math.PI); pen.lineWidth = wide; pen.strokeStyle = ink; pen.stroke();
  }
  disc(pen, x, y, radius, look.selected ? "#111111" : look.gone ? "#777777" : AGENT, rim, Math.max(1, size * .07));
  if (size >= 11) {
    pen.fillStyle = look.selected ? "#ffe14d" : "#ffffff";
    pen.font = `700 ${Math.round(size * (label.length > 2 ? .36 : label.length > 1 ? .44 : .54))}px system-ui, "DejaVu Sans", sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(label, x, y + size * .03);
  }
}
