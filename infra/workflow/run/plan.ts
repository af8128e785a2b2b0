import { algorithmOf, mostSeals } from '../../../jobs/contract/algorithms.ts';
import { ownersFrom } from '../../../jobs/contract/cloud-run.ts';
import type { Deployment } from '../../../jobs/contract/deployment.ts';
import { keptSettings } from '../../../jobs/contract/kept-settings.ts';
import { allIds, rewraps, type Statements, WHOLE } from '../../../jobs/contract/sql/index.ts';
import { counted } from '../counting.ts';
import { runRow } from '../run-row.ts';
import { assign, call, choose, expression, mark, query, raise, type Step, unmarked } from '../steps.ts';
import { chooseEngine } from './choose-engine.ts';
import { handsOver, hasJar, OWN } from './values.ts';

/** `WHOLE` as expressions. */
const ALL_WAVES = { wave: `"${WHOLE.wave}"`, waves: `"${WHOLE.waves}"` };

const COUNT_WAVES: Step[] = [
  { has_waves: choose({ 'wave_deks == 0': 'enter_into_ledger' }) },
  {
    count_waves: assign({
      waves: expression('math.max(1, (int(counted.distinct_deks) + wave_deks - 1) // wave_deks)'),
    }),
  },
];

/** Plans a run that the ledger does not know yet, and enters it there. */
export function plan(d: Deployment, sql: Statements): Step[] {
  const selection = {
    mode: 'mode',
    snapshot_millis: 'snapshot_millis',
    id_from: 'id_from',
    id_cutoff: 'id_cutoff',
    keyset_version: 'newest.version',
    ...ALL_WAVES,
  };
  return [
    { read_ledger: runRow },
    {
      seen_nobody: assign({
        from_owner: '',
        settings: keptSettings(d),
        ...(handsOver(d) && { handed_to: unmarked(ownersFrom(mark('owner'))) }),
      }),
    },
    { is_known_run: choose({ '"run_id" in row': 'may_go_on' }) },
    { fix_snapshot: query(sql.clock, {}, 'clock') },
    {
      look_at_source: call(
        'source_table',
        { snapshot: expression('clock.snapshot_millis') },
        'snapshot_millis',
      ),
    },
    { read_keyset: query(sql.newestKeyset, {}, 'newest') },
    { has_keyset: choose({ '"version" in newest': 'replace_read_view' }) },
    { create_keyset: query(sql.ensureKeyset, {}) },
    { read_created_keyset: query(sql.newestKeyset, {}, 'newest') },
    { replace_read_view: query(sql.replaceReadView, {}) },
    { take_all_ids: assign({ ...allIds(d) }) },
    { is_limited: choose({ 'row_limit == 0': 'count_values' }) },
    // A run with a limit begins behind the one before it, and where nothing is left there, at the lowest id.
    { find_first_id: query(sql.firstId, { mode: 'mode' }, 'next') },
    { raise_id_from: assign({ id_from: expression('default(map.get(next, "id_from"), id_from)') }) },
    { find_id_cutoff: query(sql.cutoff, { ...selection, row_limit: 'string(row_limit)' }, 'highest') },
    {
      has_more: choose({
        '"id_cutoff" in highest': 'lower_id_cutoff',
        [`id_from == "${allIds(d).id_from}"`]: 'lower_id_cutoff',
      }),
    },
    { begin_again: { ...assign({ id_from: allIds(d).id_from }), next: 'find_id_cutoff' } },
    // Nothing selected has no highest id.
    {
      lower_id_cutoff: assign({ id_cutoff: expression('default(map.get(highest, "id_cutoff"), id_cutoff)') }),
    },
    { count_values: counted(selection) },
    ...countRewrappable(d, sql, selection),
    { count_seals: query(sql.sealsUnder, { version: 'newest.version' }, 'sealed') },
    {
      check_seals: choose({
        [`int(sealed.seals) + int(counted.selected) + int(stale.rewrappable) <= ${mostSeals(algorithmOf(d.keying)).count}`]:
          'choose_engine',
      }),
    },
    {
      fail_keyset_exhausted: raise(
        'keyset-exhausted',
        '"version " + newest.version + " of the first-level keyset would have sealed more values than one key may: rotate it"',
      ),
    },
    ...chooseEngine(d),
    { take_one_wave: assign({ waves: 1 }) },
    ...(hasJar(d) ? [] : COUNT_WAVES),
    {
      enter_into_ledger: {
        ...query(sql.openRun, {
          ...OWN,
          via: '"workflow"',
          engine: 'engine',
          mode: 'mode',
          source_format: `"${d.sourceFormat}"`,
          keying: `"${d.keying}"`,
          settings: 'settings',
          keyset_version: 'newest.version',
          snapshot: 'snapshot_millis',
          row_limit: 'string(row_limit)',
          id_from: 'id_from',
          id_cutoff: 'id_cutoff',
          selected: 'counted.selected',
          distinct_deks: 'counted.distinct_deks',
          waves: 'string(waves)',
          // Its plan reckons no minutes.
          statement_millis: '"0"',
        }),
        // Somebody else may have entered a run of this id in the same moment.
        next: 'read_ledger',
      },
    },
  ];
}

/** Row keysets that the merge seals anew count as seals, too. */
const countRewrappable = (d: Deployment, sql: Statements, selection: Parameters<typeof query>[1]): Step[] => [
  { expect_none_rewrappable: assign({ stale: { rewrappable: '0' } }) },
  ...(rewraps(d)
    ? [
        { is_stale_mode: choose({ 'mode != "stale"': 'count_seals' }) },
        { count_rewrappable: query(sql.countRewrappable, selection, 'stale') },
      ]
    : []),
];
