/* The canvas in the browser: a layer with the picture, a layer of paint, the tools, and the keys.

Gradio runs this file as the body of a function. `element` is the part of the page that is made from
brush.html. `props.value` holds the two layers as data URLs. `watch` observes the value.

gr.ImageEditor cannot be used here. It draws a layer at another scale than the background, and sends
all its layers again with every other change on the page. */

const find = (selector) => element.querySelector(selector);

const SIDE = find('.paint').width;
const COLOR = find('.paper').style.getPropertyValue('--paint-color').trim();
const STEP = 16;  // pixels that an arrow key moves the brush
const MAX_UNDO = 30;

let history = [];  // earlier contents of the paint layer, for Undo
let position = [SIDE / 2, SIDE / 2];  // of the brush, in pixels of the canvas
let isDown = false;
let loads = 0;
let shownPicture = null;

const paintContext = () => find('.paint').getContext('2d', {willReadFrequently: true});
const radius = () => Number(find('.radius').value);

function updateRing() {
    const style = find('.ring').style;
    [style.left, style.top] = position.map((coordinate) => 100 * coordinate / SIDE + '%');
    style.width = style.height = 200 * radius() / SIDE + '%';
    find('.ring').classList.toggle('down', isDown);
}

function remember() {
    history.push(paintContext().getImageData(0, 0, SIDE, SIDE));
    history = history.slice(-MAX_UNDO);
}

function drawTo(target) {
    const context = paintContext();
    const erases = find('.eraser').getAttribute('aria-pressed') == 'true';
    context.globalCompositeOperation = erases ? 'destination-out' : 'source-over';
    context.strokeStyle = context.fillStyle = COLOR;
    context.lineWidth = 2 * radius();
    context.lineCap = 'round';
    context.beginPath();
    context.moveTo(...position);
    context.lineTo(...target);
    context.stroke();
    context.beginPath();
    context.arc(...target, radius(), 0, 2 * Math.PI);
    context.fill();
}

function loadLayer(selector, source, load) {
    const context = find(selector).getContext('2d');
    const image = new Image();
    image.onload = () => {
        if (load != loads) return;  // Another picture was chosen in the meantime.
        context.globalCompositeOperation = 'copy';
        context.drawImage(image, 0, 0);
    };
    image.src = source;
}

function showValue() {
    // Undo brings back the paint that a mask or a ready-made hole replaces, but no other picture's.
    if (props.value.picture == shownPicture) remember();
    else history = [];
    shownPicture = props.value.picture;
    isDown = false;
    loads += 1;
    loadLayer('.picture', props.value.picture, loads);
    loadLayer('.paint', props.value.layer, loads);
    updateRing();
}

function pointerPosition(event) {
    const frame = find('.paint').getBoundingClientRect();
    return [
        (event.clientX - frame.left) * SIDE / frame.width,
        (event.clientY - frame.top) * SIDE / frame.height,
    ];
}

function liftBrush() {
    isDown = false;
    updateRing();
}

element.addEventListener('pointerdown', (event) => {
    if (event.target != find('.paint') || event.button) return;
    event.preventDefault();
    event.target.setPointerCapture(event.pointerId);
    remember();
    isDown = true;
    position = pointerPosition(event);
    drawTo(position);
    updateRing();
});
element.addEventListener('pointermove', (event) => {
    if (event.target != find('.paint')) return;
    const target = pointerPosition(event);
    if (isDown && event.buttons) drawTo(target);
    position = target;
    updateRing();
});
element.addEventListener('pointerup', liftBrush);
element.addEventListener('pointercancel', liftBrush);
element.addEventListener('focusout', liftBrush);

const DIRECTIONS = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};
element.addEventListener('keydown', (event) => {
    if (event.target != find('.paper')) return;
    const direction = DIRECTIONS[event.key];
    if (!direction && event.key != ' ') return;
    event.preventDefault();
    let target = position;
    if (direction) {
        target = position.map((coordinate, axis) =>
            Math.min(SIDE, Math.max(0, coordinate + STEP * direction[axis])));
    } else {
        isDown = !isDown;
        if (isDown) remember();
    }
    if (isDown) drawTo(target);
    position = target;
    updateRing();
});

element.addEventListener('input', updateRing);  // The slider changes the radius.
element.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    if (button.matches('.tool')) {
        for (const tool of element.querySelectorAll('.tool')) {
            tool.setAttribute('aria-pressed', tool == button);
        }
    } else if (button.matches('.undo') && history.length) {
        paintContext().putImageData(history.pop(), 0, 0);
    } else if (button.matches('.clear')) {
        remember();
        paintContext().clearRect(0, 0, SIDE, SIDE);
    }
});
watch('value', showValue);
showValue();
