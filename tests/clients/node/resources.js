// The smallest resources that these tests need, changed by what is given.
import { randomUUID } from 'node:crypto';

export const patient = (changes = {}) => ({ resourceType: 'Patient', ...changes });

export const observation = (reference) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
  subject: { reference },
  effectiveDateTime: '2024-05-01T08:00:00+08:00',
  valueQuantity: { value: 72, system: 'http://unitsofmeasure.org', code: '/min' },
});

export const entry = (method, url, resource, fullUrl) => ({ fullUrl, resource, request: { method, url } });

// A name that nobody has yet.
export const family = () => `F${randomUUID().slice(0, 8)}`;

export const statuses = (bundle) => bundle.entry.map((each) => each.response.status.slice(0, 3));
