"""The canvas in the browser: two layers of pixels, the picture and the paint, a brush, and its keys.

Not `gradio.ImageEditor`: it draws a layer that it is given at another scale than the background, and sends all of its
layers anew with whatever else changes on the page.
"""

from tf_inpaint.page.canvas import COLOUR, SIDE

TEMPLATE = f"""
<div class="tools" role="toolbar" aria-label="Tools">
  <button type="button" class="tool brush" aria-pressed="true">Brush</button>
  <button type="button" class="tool eraser" aria-pressed="false">Eraser</button>
  <label class="width">Size <input type="range" class="radius" min="4" max="80" value="28"></label>
  <button type="button" class="undo">Undo</button>
  <button type="button" class="clear">Clear</button>
</div>
<div class="paper" tabindex="0" role="application"
  aria-label="Canvas. The arrow keys move the brush; the space bar puts it down and lifts it.">
  <canvas class="picture" width="{SIDE}" height="{SIDE}"></canvas>
  <canvas class="paint" width="{SIDE}" height="{SIDE}"></canvas>
  <div class="ring"></div>
</div>
"""
STYLE = f"""
.tools {{ display: flex; flex-wrap: wrap; gap: 0.4rem; align-items: center; margin-bottom: 0.5rem; }}
.tools > * {{ margin: 0 !important; }}
.tools button {{
    padding: 0.3rem 0.8rem; border-radius: 0.4rem; color: var(--body-text-color); font-size: 0.95rem;
    background: var(--button-secondary-background-fill); border: 1px solid var(--border-color-primary);
}}
.tools button[aria-pressed="true"] {{ background: var(--color-accent); color: white; }}
.width {{ display: flex; gap: 0.4rem; align-items: center; color: var(--body-text-color); font-size: 0.95rem; }}
.radius {{ width: 7rem; accent-color: var(--color-accent); }}
.paper {{ position: relative; aspect-ratio: 1; max-width: {SIDE}px; overflow: hidden; border-radius: 0.4rem; }}
.paper canvas {{ position: absolute; inset: 0; width: 100%; height: 100%; }}
.paper .paint {{ opacity: 0.85; cursor: none; touch-action: none; }}
.ring {{
    position: absolute; display: none; pointer-events: none; border-radius: 50%; transform: translate(-50%, -50%);
    border: 2px solid white; box-shadow: 0 0 0 2px black;
}}
.paper:is(:hover, :focus) .ring {{ display: block; }}
.ring.down {{ border-color: rgb{COLOUR}; }}
"""
SCRIPT = f"""
const SIDE = {SIDE}, COLOUR = 'rgb{COLOUR}', STEP = 16, KEPT = 30;
const one = (name) => element.querySelector(name);
let before = [], at = [SIDE / 2, SIDE / 2], down = false, shown = 0;

const paint = () => one('.paint').getContext('2d', {{willReadFrequently: true}});
const radius = () => Number(one('.radius').value);

function ring() {{
    const style = one('.ring').style;
    [style.left, style.top] = at.map((place) => 100 * place / SIDE + '%');
    style.width = style.height = 200 * radius() / SIDE + '%';
    one('.ring').classList.toggle('down', down);
}}

function remember() {{
    before.push(paint().getImageData(0, 0, SIDE, SIDE));
    before = before.slice(-KEPT);
}}

function draw(to) {{
    const layer = paint(), erases = one('.eraser').getAttribute('aria-pressed') == 'true';
    layer.globalCompositeOperation = erases ? 'destination-out' : 'source-over';
    layer.strokeStyle = layer.fillStyle = COLOUR;
    layer.lineWidth = 2 * radius();
    layer.lineCap = 'round';
    layer.beginPath();
    layer.moveTo(...at);
    layer.lineTo(...to);
    layer.stroke();
    layer.beginPath();
    layer.arc(...to, radius(), 0, 2 * Math.PI);
    layer.fill();
}}

function load(name, source, number) {{
    const layer = one(name).getContext('2d'), image = new Image();
    image.onload = () => {{
        if (number != shown) return;  // another one was chosen meanwhile
        layer.globalCompositeOperation = 'copy';
        layer.drawImage(image, 0, 0);
    }};
    image.src = source;
}}

function show() {{
    before = [];
    down = false;
    shown += 1;
    load('.picture', props.value.picture, shown);
    load('.paint', props.value.layer, shown);
    ring();
}}

function place(event) {{
    const frame = one('.paint').getBoundingClientRect();
    return [(event.clientX - frame.left) * SIDE / frame.width, (event.clientY - frame.top) * SIDE / frame.height];
}}

element.addEventListener('pointerdown', (event) => {{
    if (event.target != one('.paint') || event.button) return;
    event.preventDefault();
    event.target.setPointerCapture(event.pointerId);
    remember();
    down = true;
    at = place(event);
    draw(at);
    ring();
}});
element.addEventListener('pointermove', (event) => {{
    if (event.target != one('.paint')) return;
    const to = place(event);
    if (down && event.buttons) draw(to);
    at = to;
    ring();
}});
for (const end of ['pointerup', 'pointercancel']) element.addEventListener(end, () => {{ down = false; ring(); }});
element.addEventListener('keydown', (event) => {{
    if (event.target != one('.paper')) return;
    const way = {{ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}}[event.key];
    if (!way && event.key != ' ') return;
    event.preventDefault();
    const to = way ? at.map((here, axis) => Math.min(SIDE, Math.max(0, here + STEP * way[axis]))) : at;
    if (!way && (down = !down)) remember();
    if (down) draw(to);
    at = to;
    ring();
}});
element.addEventListener('focusout', () => {{ down = false; ring(); }});
element.addEventListener('input', ring);
element.addEventListener('click', (event) => {{
    const button = event.target.closest('button');
    if (!button) return;
    if (button.matches('.tool')) {{
        for (const tool of element.querySelectorAll('.tool')) tool.setAttribute('aria-pressed', tool == button);
    }} else if (button.matches('.undo') && before.length) {{
        paint().putImageData(before.pop(), 0, 0);
    }} else if (button.matches('.clear')) {{
        remember();
        paint().clearRect(0, 0, SIDE, SIDE);
    }}
}});
watch('value', show);
show();
"""
PAINTED = "(canvas, ...others) => [document.querySelector('#canvas .paint').toDataURL(), ...others]"
"""Puts what is painted, a PNG file as text, in the place of the canvas."""
