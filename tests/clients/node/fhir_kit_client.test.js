// fhir-kit-client, as its README uses it: http://hl7.org/fhir/R4/http.html
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Client } from 'fhir-kit-client';
import { entry, family, observation, patient, statuses } from './resources.js';

const { BASE, TOKEN } = process.env;
const client = new Client({ baseUrl: BASE, bearerToken: TOKEN });
const born = (changes = {}) => client.create({ resourceType: 'Patient', body: patient(changes) });
const refused = (status) => (error) => {
  assert.equal(error.response.status, status);
  assert.equal(error.response.data.resourceType, 'OperationOutcome');
  return true;
};

test('the CapabilityStatement and the SMART configuration are found', async () => {
  const statement = await client.capabilityStatement();
  assert.equal(statement.fhirVersion, '4.0.1');
  const { tokenUrl } = await client.smartAuthMetadata();
  assert.equal(String(tokenUrl), `${new URL(BASE).origin}/auth/token`);
});

test('without a token nothing is read', async () => {
  await assert.rejects(new Client({ baseUrl: BASE }).read({ resourceType: 'Patient', id: '1' }), refused(401));
});

test('a resource is created, read, updated and deleted', async () => {
  const { id, meta } = await born({ gender: 'female', name: [{ family: '王', given: ['秀英'] }] });
  assert.equal(meta.versionId, '1');
  const read = await client.read({ resourceType: 'Patient', id });
  assert.equal(read.name[0].family, '王');
  const updated = await client.update({ resourceType: 'Patient', id, body: { ...read, gender: 'other' } });
  assert.deepEqual([updated.gender, updated.meta.versionId], ['other', '2']);
  const first = await client.vread({ resourceType: 'Patient', id, version: '1' });
  assert.equal(first.gender, 'female');
  await client.delete({ resourceType: 'Patient', id });
  await assert.rejects(client.read({ resourceType: 'Patient', id }), refused(410));
  await assert.rejects(born({ gender: 'unheard-of' }), refused(422));
});

test('a stale If-Match is refused', async () => {
  const { id } = await born();
  const body = patient({ id, gender: 'male' });
  const options = { headers: { 'If-Match': 'W/"1"' } };
  await client.update({ resourceType: 'Patient', id, body, options });
  await assert.rejects(client.update({ resourceType: 'Patient', id, body, options }), refused(412));
});

test('criteria stand for an id', async () => {
  const identifier = [{ system: 'http://example.org/mrn', value: randomUUID() }];
  const searchParams = { identifier: `http://example.org/mrn|${identifier[0].value}` };
  const options = { headers: { 'If-None-Exist': new URLSearchParams(searchParams).toString() } };
  const first = await client.create({ resourceType: 'Patient', body: patient({ identifier }), options });
  const again = await client.create({ resourceType: 'Patient', body: patient({ identifier }), options });
  assert.equal(again.id, first.id);
  const body = patient({ identifier, gender: 'female' });
  const updated = await client.update({ resourceType: 'Patient', searchParams, body });
  assert.deepEqual([updated.id, updated.gender], [first.id, 'female']);
});

test('a JSON Patch changes one element', async () => {
  const { id } = await born({ gender: 'female' });
  const jsonPatch = [{ op: 'test', path: '/gender', value: 'female' }, { op: 'replace', path: '/gender', value: 'male' }];
  const patched = await client.patch({ resourceType: 'Patient', id, jsonPatch });
  assert.deepEqual([patched.gender, patched.meta.versionId], ['male', '2']);
  await assert.rejects(client.patch({ resourceType: 'Patient', id, jsonPatch }), refused(422));
});

test('a search is paged forth, by GET and by POST', async () => {
  const name = family();
  const ids = [];
  for (let n = 0; n < 5; n += 1) ids.push((await born({ name: [{ family: name }] })).id);
  const searchParams = { family: name, _count: 2 };
  let bundle = await client.search({ resourceType: 'Patient', searchParams });
  const found = [];
  const sizes = [];
  while (bundle) {
    sizes.push(bundle.entry.length);
    found.push(...bundle.entry.map((each) => each.resource.id));
    bundle = await client.nextPage({ bundle });
  }
  assert.deepEqual(sizes, [2, 2, 1]);
  assert.deepEqual(found.sort(), ids.sort());
  const posted = await client.search({ resourceType: 'Patient', searchParams, options: { postSearch: true } });
  assert.equal(posted.entry.length, 2);
});

test('references are followed, also from a compartment', async () => {
  const { id } = await born();
  const pulse = await client.create({ resourceType: 'Observation', body: observation(`Patient/${id}`) });
  const searchParams = { patient: id, _include: 'Observation:patient' };
  const { entry: entries } = await client.search({ resourceType: 'Observation', searchParams });
  assert.deepEqual(entries.map((each) => each.search.mode), ['match', 'include']);
  const inside = await client.search({ resourceType: 'Observation', compartment: { resourceType: 'Patient', id } });
  assert.deepEqual(inside.entry.map((each) => each.resource.id), [pulse.id]);
  const everything = await client.operation({ name: 'everything', resourceType: 'Patient', id, method: 'GET' });
  assert.deepEqual(everything.entry.map((each) => each.resource.resourceType), ['Patient', 'Observation']);
});

test('history is told of a resource, a type and the system', async () => {
  const { id } = await born();
  await client.update({ resourceType: 'Patient', id, body: patient({ id, gender: 'male' }) });
  await client.delete({ resourceType: 'Patient', id });
  const of = await client.history({ resourceType: 'Patient', id });
  assert.deepEqual(of.entry.map((each) => each.request.method), ['DELETE', 'PUT', 'POST']);
  assert.equal((await client.history({ resourceType: 'Patient' })).type, 'history');
  assert.equal((await client.history()).type, 'history');
});

test('a transaction is whole and a batch is not', async () => {
  const person = `urn:uuid:${randomUUID()}`;
  const whole = [entry('POST', 'Patient', patient(), person), entry('POST', 'Observation', observation(person))];
  const done = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry: whole } });
  assert.deepEqual(statuses(done), ['201', '201']);
  const parts = [entry('POST', 'Patient', patient()), entry('GET', 'Patient/nobody')];
  const each = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: parts } });
  assert.deepEqual(statuses(each), ['201', '404']);
});
