(canvas, ...others) => {
    // Replaces the value of the canvas by the paint of the visitor, a PNG file as a data URL.
    return [document.querySelector('#canvas .paint').toDataURL(), ...others];
}
