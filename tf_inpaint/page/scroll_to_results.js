() => {
    // The results are out of sight where the columns lie below each other, or after scrolling down.
    const right = document.getElementById('right');
    if (right.getBoundingClientRect().top < 0 || right.offsetLeft < 200) {
        right.scrollIntoView({block: 'start'});
    }
}
