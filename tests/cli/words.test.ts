import { describe, expect, it } from 'vitest';
import { consoleLinks, linksOf } from '../../jobs/cli/console-links.ts';
import { csvLine } from '../../jobs/cli/print-rows.ts';
import { linkLines, reportLines } from '../../jobs/cli/words.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { aDeployment } from '../support/deployment.ts';
import { aReport } from '../support/report.ts';

const names = (text: string): string[] => text.split('\n').map((line) => line.split(/ {2,}/)[0] ?? '');

describe('the report on a terminal', () => {
  it('leaves out what there was none of', () => {
    const lines = reportLines(aReport({ rejected: 0, reasons: {}, changed_meanwhile: 0, erased: 0 }));
    expect(names(lines)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(rejected|changed meanwhile|erased|batch)$/)]),
    );
    expect(lines).not.toMatch(/ 0$/m);
    expect(names(lines)).toEqual(
      expect.arrayContaining(['selected', 'merged', 'KMS calls', 'took', 'cost without BigQuery']),
    );
  });

  it('has every count that is not zero, reasons below what they are a part of', () => {
    const lines = reportLines(
      aReport({ rejected: 7, reasons: { encoding: 5, version: 2 }, changed_meanwhile: 3, erased: 4 }),
    );
    expect(lines).toMatch(
      /^rejected +7\n {2}encoding +5\n {2}version +2\nerased +4\nchanged meanwhile +3\n/m,
    );
  });

  it('of a run that stopped because of rejected values has them, though the ledger counts them with its merge', () => {
    const stopped = aReport({
      state: 'failed',
      rejected: null,
      reasons: { encoding: 5 },
      rejected_staged: 5,
    });
    expect(reportLines(stopped)).toMatch(/^rejected +5\n {2}not merged +5\n {2}encoding +5\n/m);
  });

  it('of a run that broke off says why, and nothing that it did not come to', () => {
    const broken = { merged: null, rejected: null, erased: null, kms_calls: null, cost_usd: null };
    const failed = aReport({
      ...broken,
      state: 'failed',
      error_code: 'kms-denied',
      error: 'a role is missing',
      read_back: { checked: 0, readable: 0 },
      reasons: {},
    });
    expect(reportLines(failed)).toMatch(/^state +failed\nerror +kms-denied: a role is missing\n/m);
    expect(reportLines(failed)).not.toMatch(/merged|read back|cost|null/);
  });
});

describe("Google's console", () => {
  const workflow = 'projects/a-project/locations/us-central1/workflows/reseal-test';
  const deployment = aDeployment({ workflow });

  it('shows batch and executions', () => {
    expect(consoleLinks(deployment, aReport({ batch_id: 'reseal-pr-1', via: 'workflow' }))).toEqual([
      {
        name: 'batch',
        url: 'https://console.cloud.google.com/dataproc/batches/us-central1/reseal-pr-1/summary?project=a-project',
      },
      {
        name: 'workflow',
        url: 'https://console.cloud.google.com/workflows/workflow/us-central1/reseal-test/executions?project=a-project',
      },
    ]);
    expect(consoleLinks(deployment, aReport({ batch_id: null, via: 'job' }))).toEqual([]);
  });

  it('is named for a stack, and not where other endpoints than Google’s own are', () => {
    const report = aReport({ batch_id: 'reseal-pr-1' });
    const rest = { next: '', keep: async () => {}, close: async () => {} };
    expect(linkLines({ deployment, ...rest }, report)).toMatch(/^batch {2}https:\/\/console/);
    const endpoints = endpointsOf('http://127.0.0.1:1', 'token');
    expect(linksOf({ deployment, endpoints }, report)).toEqual([]);
    expect(linkLines({ deployment, endpoints, ...rest }, report)).toBe('');
  });
});

it('CSV quotes what would break its line', () => {
  expect(csvLine(['1', null, 'a,b', 'say "x"', 'two\nlines'])).toBe('1,,"a,b","say ""x""","two\nlines"\r\n');
});
