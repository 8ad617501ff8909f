// @medplum/core against a server that is not Medplum: http://hl7.org/fhir/R4/http.html
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { MedplumClient, OperationOutcomeError } from '@medplum/core';
import { entry, family, observation, patient, statuses } from './resources.js';

const { ROOT, TOKEN } = process.env;
const options = { baseUrl: `${ROOT}/`, fhirUrlPath: 'fhir', tokenUrl: `${ROOT}/auth/token`, cacheTime: 0 };
const client = new MedplumClient({ ...options, accessToken: TOKEN });
const born = (changes = {}) => client.createResource(patient(changes));
const refused = (code) => (error) => {
  assert.ok(error instanceof OperationOutcomeError);
  assert.equal(error.outcome.issue[0].code, code);
  return true;
};

test('without a token nothing is read', async () => {
  await assert.rejects(new MedplumClient(options).readResource('Patient', '1'));
});

test('a resource is created, read, updated and deleted', async () => {
  const { id, meta } = await born({ gender: 'female', name: [{ family: '王', given: ['秀英'] }] });
  assert.equal(meta.versionId, '1');
  const read = await client.readResource('Patient', id);
  assert.equal(read.name[0].given[0], '秀英');
  const updated = await client.updateResource({ ...read, gender: 'other' });
  assert.deepEqual([updated.gender, updated.meta.versionId], ['other', '2']);
  assert.equal((await client.readVersion('Patient', id, '1')).gender, 'female');
  await client.deleteResource('Patient', id);
  await assert.rejects(client.readResource('Patient', id), refused('deleted'));
  await assert.rejects(born({ gender: 'unheard-of' }), refused('code-invalid'));
});

test('criteria stand for an id', async () => {
  const identifier = [{ system: 'http://example.org/mrn', value: randomUUID() }];
  const criteria = `identifier=http://example.org/mrn|${identifier[0].value}`;
  const first = await client.createResourceIfNoneExist(patient({ identifier }), criteria);
  const again = await client.createResourceIfNoneExist(patient({ identifier }), criteria);
  assert.equal(again.id, first.id);
  const updated = await client.upsertResource(patient({ identifier, gender: 'female' }), criteria);
  assert.deepEqual([updated.id, updated.gender], [first.id, 'female']);
});

test('a JSON Patch changes one element', async () => {
  const { id } = await born({ gender: 'female' });
  const operations = [{ op: 'test', path: '/gender', value: 'female' }, { op: 'replace', path: '/gender', value: 'male' }];
  const patched = await client.patchResource('Patient', id, operations);
  assert.deepEqual([patched.gender, patched.meta.versionId], ['male', '2']);
  await assert.rejects(client.patchResource('Patient', id, operations));
});

test('every page of a search is given', async () => {
  const name = family();
  const ids = [];
  for (let n = 0; n < 5; n += 1) ids.push((await born({ name: [{ family: name }] })).id);
  const pages = [];
  for await (const page of client.searchResourcePages('Patient', { family: name, _count: 2 })) pages.push(page);
  assert.deepEqual(pages.map((page) => page.length), [2, 2, 1]);
  assert.deepEqual(pages.flat().map((each) => each.id).sort(), ids.sort());
  assert.equal((await client.searchOne('Patient', { family: name })).name[0].family, name);
});

test('references are followed', async () => {
  const { id } = await born();
  const pulse = await client.createResource(observation(`Patient/${id}`));
  const bundle = await client.search('Observation', { patient: id, _include: 'Observation:patient' });
  assert.deepEqual(bundle.entry.map((each) => each.search.mode), ['match', 'include']);
  assert.equal((await client.readReference(pulse.subject)).id, id);
  const everything = await client.readPatientEverything(id);
  assert.deepEqual(everything.entry.map((each) => each.resource.resourceType), ['Patient', 'Observation']);
});

test('history is newest first', async () => {
  const { id } = await born();
  await client.updateResource(patient({ id, gender: 'male' }));
  const history = await client.readHistory('Patient', id);
  assert.deepEqual(history.entry.map((each) => each.request.method), ['PUT', 'POST']);
});

test('what would be refused is told by $validate', async () => {
  const outcome = await client.validateResource(patient({ gender: 'female' }));
  assert.equal(outcome.resourceType, 'OperationOutcome');
});

test('a transaction is whole and a batch is not', async () => {
  const person = `urn:uuid:${randomUUID()}`;
  const whole = [entry('POST', 'Patient', patient(), person), entry('POST', 'Observation', observation(person))];
  const done = await client.executeBatch({ resourceType: 'Bundle', type: 'transaction', entry: whole });
  assert.deepEqual(statuses(done), ['201', '201']);
  const parts = [entry('POST', 'Patient', patient()), entry('GET', 'Patient/nobody')];
  const each = await client.executeBatch({ resourceType: 'Bundle', type: 'batch', entry: parts });
  assert.deepEqual(statuses(each), ['201', '404']);
});
