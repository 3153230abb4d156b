// Sends the position of this telephone, to about 100 m, when the button is pressed and never else.
(() => {
  const button = document.getElementById("here"), said = document.getElementById("said"), form = button.form;
  if (!navigator.geolocation) return;
  form.hidden = false;
  button.onclick = () => {
    said.textContent = button.dataset.wait;
    navigator.geolocation.getCurrentPosition(({ coords }) => {
      form.lat.value = coords.latitude.toFixed(3);
      form.lon.value = coords.longitude.toFixed(3);
      form.submit();
    }, () => { said.textContent = button.dataset.failed; }, { maximumAge: 60000, timeout: 20000 });
  };
})();
