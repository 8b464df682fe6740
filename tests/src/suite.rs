//! Tests that share one boot, one after the other.
//!
//! What they share, an appliance or one with others around it, is booted when the first test needs
//! it. A test that fails shows everything that was printed there, and the next one begins with a
//! fresh boot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::appliance::{Appliance, Boot};

/// What the tests of a suite can share.
pub trait Shared: Send + 'static {
    /// Whether all of it still runs.
    fn is_running(&self) -> bool;

    /// Ends it and returns everything it printed, for the message of a failed test.
    fn transcript(&mut self) -> String;
}

impl Shared for Appliance {
    fn is_running(&self) -> bool {
        Appliance::is_running(self)
    }

    fn transcript(&mut self) -> String {
        Appliance::transcript(self)
    }
}

/// A list of tests.
pub struct Suite<S = Appliance> {
    shared: Arc<Mutex<Option<S>>>,
    start: Arc<dyn Fn() -> S + Send + Sync>,
    trials: Vec<Trial>,
}

impl Suite {
    /// A suite whose tests share an appliance booted by `boot`.
    pub fn new(boot: Boot) -> Self {
        Self::sharing(move || boot.clone().start())
    }
}

impl<S: Shared> Suite<S> {
    /// A suite whose tests share what `start` starts.
    pub fn sharing(start: impl Fn() -> S + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::default(),
            start: Arc::new(start),
            trials: Vec::new(),
        }
    }

    /// Adds a test on what is shared.
    pub fn test(&mut self, name: &str, test: impl FnOnce(&mut S) + Send + 'static) {
        let (shared, start) = (Arc::clone(&self.shared), Arc::clone(&self.start));
        self.trials.push(Trial::test(name, move || {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let run = AssertUnwindSafe(|| {
                let running = shared.take().filter(S::is_running);
                test(shared.insert(running.unwrap_or_else(|| start())));
            });
            catch_unwind(run).map_err(|panic| {
                let mut message = message(panic.as_ref());
                if let Some(mut failed) = shared.take() {
                    message = format!("{message}\n{}", failed.transcript());
                }
                Failed::from(message)
            })
        }));
    }

    /// Adds a test that boots for itself.
    pub fn test_alone(&mut self, name: &str, test: impl FnOnce() + Send + 'static) {
        let trial = self.trial_alone(name, test);
        self.trials.push(trial);
    }

    /// Adds a test that boots for itself and takes minutes: it runs with `--include-ignored` only, which is
    /// what `./run.sh test --all` says.
    pub fn test_long(&mut self, name: &str, test: impl FnOnce() + Send + 'static) {
        let trial = self.trial_alone(name, test);
        self.trials.push(trial.with_ignored_flag(true));
    }

    fn trial_alone(&self, name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
        let shared = Arc::clone(&self.shared);
        Trial::test(name, move || {
            // Two boots at once would only slow each other down.
            drop(shared.lock().unwrap_or_else(PoisonError::into_inner).take());
            catch_unwind(AssertUnwindSafe(test)).map_err(|panic| message(panic.as_ref()).into())
        })
    }

    /// Runs the tests that the command line asks for.
    pub fn run(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads = Some(1);
        let conclusion = libtest_mimic::run(&arguments, self.trials);
        drop(self.shared);
        conclusion.exit_code()
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked").to_owned()
}
