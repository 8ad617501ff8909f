// LHC-Forms renders each instrument, and what is clicked in it is scored: http://hl7.org/fhir/R4/questionnaire.html
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { JSDOM } from 'jsdom';

const { BASE, TOKEN } = process.env;
const FOLDER = join(dirname(createRequire(import.meta.url).resolve('lforms/package.json')), 'dist', 'lforms');
const SCRIPTS = ['webcomponent/assets/lib/zone.min.js', 'webcomponent/lhc-forms.js', 'fhir/R4/lformsFHIR.min.js'];
const URLS = 'https://yiyang.example/fhir/Questionnaire';

const { window } = new JSDOM('<!doctype html><body></body>', { runScripts: 'outside-only', pretendToBeVisual: true, url: 'http://localhost/' });
// What a browser has and jsdom has not; LHC-Forms asks for it and these forms do without.
const watcher = class { observe() {} unobserve() {} disconnect() {} };
const media = () => ({ matches: false, addListener() {}, removeListener() {}, addEventListener() {}, removeEventListener() {} });
Object.assign(window, { matchMedia: media, ResizeObserver: watcher, IntersectionObserver: watcher, structuredClone });
window.console.log = () => {};
for (const script of SCRIPTS) window.eval(readFileSync(join(FOLDER, script), 'utf8'));
const { Util } = window.LForms;
after(() => process.exit()); // its timers never end

const ask = async (path, body) => {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/fhir+json' };
  const answer = await fetch(`${BASE}/${path}`, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
};
const rendered = async (questionnaire) => {
  const place = window.document.body.appendChild(window.document.createElement('div'));
  await Util.addFormToPage(questionnaire, place, { fhirVersion: 'R4' });
  for (let n = 0; n < 100 && !place.querySelector('.lhc-question'); n += 1) await pause(50);
  return place;
};
const filled = async (place) => { // the first option of each question, as a person would click it
  const seen = new Set();
  for (const radio of place.querySelectorAll('input[type=radio]')) {
    if (!seen.has(radio.name)) radio.click();
    seen.add(radio.name);
  }
  await pause(300);
  return Util.getFormFHIRData('QuestionnaireResponse', 'R4', place);
};
const scored = async (questionnaire, response) => {
  const complete = { ...response, status: 'completed', questionnaire: questionnaire.url };
  const parameter = [{ name: 'response', resource: complete }];
  return ask('QuestionnaireResponse/$score', { resourceType: 'Parameters', parameter });
};
const results = (parameters) => Object.fromEntries(parameters.parameter.filter((each) => each.name === 'result')
  .map(({ part: [code, value] }) => [code.valueCode, value?.valueCoding.code]));

// The surveys are of institutions.
const forms = (await ask(`Questionnaire?url:below=${URLS}&_count=100`)).body.entry.map((entry) => entry.resource)
  .filter((form) => !form.subjectType?.includes('Organization'));

test('every instrument is there', () => assert.ok(forms.length >= 13));

for (const form of forms) {
  test(`${form.id} is rendered with each question and each option`, async () => {
    const place = await rendered(form);
    const questions = form.item.flatMap((group) => group.item);
    const shown = questions.filter((each) => !each.enableWhen);
    const options = questions.flatMap((each) => each.answerOption ?? []);
    assert.equal(place.querySelectorAll('input[type=radio]').length, options.length);
    for (const question of shown) assert.ok(place.textContent.includes(question.text), question.text);
    place.remove();
  });
}

test('what is clicked is scored', async () => {
  const expected = { gds15: { level: 'moderate' }, barthel: { level: 'none' }, 'self-care': { level: 'independent' }, ltci37: { level: '0' } };
  for (const [id, levels] of Object.entries(expected)) {
    const form = forms.find((each) => each.id === id);
    const place = await rendered(form);
    const { status, body } = await scored(form, await filled(place));
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual({ ...results(body), ...levels }, results(body));
    place.remove();
  }
});

test('what is left open is named', async () => {
  const form = forms.find((each) => each.id === 'gds15');
  const place = await rendered(form);
  const { status, body } = await scored(form, Util.getFormFHIRData('QuestionnaireResponse', 'R4', place));
  assert.equal(status, 422);
  assert.equal(body.issue.length, 15);
});
