import { describe, expect, it } from 'vitest';
import { Gauge, words } from '../../jobs/cli/gauge.ts';

const at = (done: number, deks: number) => ({
  values: { done, of: 20_000 },
  deks: { done: deks, of: 2406 },
});

describe('how far a step is', () => {
  it('a bar, values, their rate, the time left, and KMS calls a second', () => {
    const gauge = new Gauge(1_000);
    gauge.take(at(2_500, 300), 2_000);
    gauge.take(at(5_000, 900), 3_000);
    expect(gauge.text(3_000, 120)).toBe(
      '██░░░░░░░░ 5,000 of 20,000 values · 2,500/s · 6 s left · 450 KMS calls/s',
    );
    // A page later; meanwhile time passes.
    expect(gauge.text(5_000, 120)).toContain(' 4 s left ');
  });

  it('leaves out what there is none of', () => {
    const gauge = new Gauge(0);
    expect(gauge.text(500, 120)).toBe('');
    gauge.take(at(0, 0), 500);
    expect(gauge.text(500, 120)).toBe('░░░░░░░░░░ 20,000 values');
    gauge.take(at(0, 250), 1_000);
    expect(gauge.text(1_000, 120)).toBe(
      '░░░░░░░░░░ 20,000 values · 250 KMS calls/s · 250 of 2,406 data keys',
    );
    gauge.take(at(20_000, 2406), 4_000);
    expect(gauge.text(4_000, 120)).not.toContain('left');
    expect(gauge.text(4_000, 120)).not.toMatch(/\b0\b/);
  });

  it('goes by the last seconds, not by a slow start', () => {
    const gauge = new Gauge(0);
    gauge.take(at(1, 0), 60_000);
    for (let second = 1; second <= 15; second++) gauge.take(at(1 + second * 1000, 0), 60_000 + second * 1000);
    expect(gauge.text(75_000, 120)).toContain(' 1,000/s · 5 s left');
  });

  it('on a terminal of 80 columns says KMS calls shorter before it leaves them out', () => {
    // Beside the name of the step and the spinner there are 69.
    const gauge = new Gauge(1_000);
    gauge.take(at(2_500, 300), 2_000);
    gauge.take(at(5_000, 900), 3_000);
    expect(gauge.text(3_000, 69)).toBe('██░░░░░░░░ 5,000 of 20,000 values · 2,500/s · 6 s left · 450 KMS/s');
    const slow = new Gauge(0);
    slow.take(at(200, 1_000), 10_000);
    expect(slow.text(10_000, 69)).toBe(
      '░░░░░░░░░░ 200 of 20,000 values · 20/s · 16 min 30 s left · 100 KMS/s',
    );
    expect(slow.text(10_000, 68)).toBe('░░░░░░░░░░ 200 of 20,000 values · 20/s · 17 min left · 100 KMS/s');
    expect(slow.text(10_000, 60)).toBe('░░░░░░░░░░ 200 of 20,000 · 20/s · 17 min left · 100 KMS/s');
    expect(slow.text(10_000, 52)).toBe('░░░░░░░░░░ 200 of 20,000 values · 20/s · 17 min left');
  });

  it("shows an engine's own rates: a batch is heard of in pieces and late", () => {
    const gauge = new Gauge(0);
    gauge.take({ values: { done: 0, of: 20_000 }, deks: { done: 900, of: 2406, aSecond: 450 } }, 60_000);
    expect(gauge.text(60_000, 120)).toBe(
      '░░░░░░░░░░ 20,000 values · 450 KMS calls/s · 900 of 2,406 data keys',
    );
    gauge.take({ values: { done: 5_000, of: 20_000, aSecond: 2_500 } }, 90_000);
    expect(gauge.text(92_000, 120)).toBe('██░░░░░░░░ 5,000 of 20,000 values · 2,500/s · 4 s left');
  });

  it('keeps to the width of the terminal, the time left before the KMS calls', () => {
    const gauge = new Gauge(0);
    gauge.take(at(10_000, 1_000), 10_000);
    expect(gauge.text(10_000, 56)).toBe('█████░░░░░ 10,000 of 20,000 values · 1,000/s · 10 s left');
    expect(gauge.text(10_000, 20)).toHaveLength(20);
    expect(gauge.text(10_000, -3)).toBe('');
  });

  it('says what an engine says that counts nothing, and for how long', () => {
    const gauge = new Gauge(0);
    gauge.take({ message: 'batch b is running, reading' }, 1_000);
    expect(gauge.text(2_000, 120)).toBe('batch b is running, reading');
    expect(gauge.text(65_000, 120)).toBe('batch b is running, reading · 1 min 5 s');
  });

  it('in a log is counts alone', () => {
    expect(words(at(5_000, 900))).toBe('5,000 of 20,000 values, 900 of 2,406 data keys');
    expect(words(at(0, 0))).toBe('');
    expect(words({ message: 'a few words' })).toBe('a few words');
  });
});
