// What Streamlit is given as each component's script: fetch the component's own file once, then hand over to it.
const module = import(new URL("/assets/__VERSION__/__NAME__.js", window.location.origin).href);

export default function (context) {
  let gone = false;
  let cleanup = null;
  module.then((loaded) => {
    if (!gone) cleanup = loaded.run(context);
  });
  return () => {
    gone = true;
    if (cleanup) cleanup();
  };
}
