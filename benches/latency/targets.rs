//! What is aimed at: two contenders run in turn, round by round, so that a busy machine disturbs both.

use super::contenders::{Ready, Runner};
use crate::support::measure::{self, Contestant};

/// The name of a quotient, its two sides, and what it should be.
type Target = (&'static str, [&'static str; 2], &'static str);

const TARGETS: &[Target] = &[
    ("cold_full", ["cold", "bare"], " (at most 1.2)"),
    ("cold_over_posix_spawn", ["cold", "posix_spawn"], ""),
    ("cold_limits_over_cold", ["cold_limits", "cold"], ""),
    ("cold_over_bubblewrap", ["cold", "bubblewrap"], ""),
    ("cold_limits_over_crun", ["cold_limits", "crun_limits"], ""),
    ("cold_limits_over_runc", ["cold_limits", "runc_limits"], ""),
    ("cold_over_hakoniwa", ["cold", "hakoniwa"], ""),
    ("cold_limits_over_hakoniwa", ["cold_limits", "hakoniwa_limits"], " (at most 0.5)"),
    ("cold_over_go_sandbox", ["cold", "go_sandbox"], ""),
    ("cold_limits_over_go_sandbox", ["cold_limits", "go_sandbox_limits"], " (at most 0.75)"),
    ("cold_limits_over_go_sandbox_few", ["cold_limits", "go_sandbox_few_limits"], ""),
    ("warm_noop", ["warm", "posix_spawn"], " (at most 1.3)"),
    ("exec_noop", ["exec", "posix_spawn"], " (at most 1.3)"),
    ("warm_over_cold_limits", ["warm", "cold_limits"], ""),
    ("warm_over_go_sandbox_pool", ["warm", "go_sandbox_pool"], ""),
    ("go_sandbox_pool_over_posix_spawn", ["go_sandbox_pool", "posix_spawn"], ""),
];

pub fn measure(contenders: &mut [Ready<'_>], quick: bool, summary: &mut Vec<String>) {
    let time = measure::seconds(quick, 5);
    for (name, sides, aim) in TARGETS {
        // Who is not here has been noted already.
        let Some(sides) = pair(contenders, sides) else { continue };
        let mut contestants = sides.map(|runner| -> Contestant<'_> { Box::new(|| runner(1)) });
        let samples = measure::interleave(&mut contestants, time);
        summary.push(format!("RATIO {name} {:.3}{aim}", samples.ratio(0, 1)));
    }
}

/// Both of them, in the order of their names.
fn pair<'r, 'a>(contenders: &'r mut [Ready<'a>], names: &[&str; 2]) -> Option<[&'r mut Runner<'a>; 2]> {
    let (mut one, mut other) = (None, None);
    for Ready { name, runner, .. } in contenders {
        match names.iter().position(|wanted| wanted == name) {
            Some(0) => one = Some(runner),
            Some(_) => other = Some(runner),
            None => (),
        }
    }
    Some([one?, other?])
}
