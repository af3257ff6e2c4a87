// The first script of every page: shows the light before Streamlit has loaded, from the same stream and for good.
import { showFrame } from "./light.js";

const told = document.documentElement.dataset;
const tz = told.tz === "local" ? Intl.DateTimeFormat().resolvedOptions().timeZone : told.tz;
const { default: words } = await import(new URL(`./words-${told.lang}.js`, import.meta.url).href);
const stop = told.token === undefined ? null : { token: told.token, may_act: told.mayAct === "true", several: told.several === "true", texts: words.controls, shell: JSON.parse(told.shell) };
showFrame({ desk: told.desk, lang: told.lang, tz, words: words.browser, stop });
