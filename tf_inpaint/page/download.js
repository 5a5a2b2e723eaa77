(file) => {
    // The link lives in no page, so it needs no style.
    const link = document.createElement('a');
    link.href = file.source;
    link.download = file.name;
    link.click();
}
