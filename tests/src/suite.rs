//! Tests that share one boot, one after the other.
//!
//! What they share, an appliance or one with others around it, is booted when the first test needs
//! it. A test that fails shows everything that was printed there, and the next one begins with a
//! fresh boot.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

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
        self.trials.push(Trial::ignorable_test(name, move || {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let run = AssertUnwindSafe(|| {
                let running = shared.take().filter(S::is_running);
                test(shared.insert(running.unwrap_or_else(|| start())));
            });
            conclude(catch_unwind(run)).map_err(|mut message| {
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
        Trial::ignorable_test(name, move || {
            // Two boots at once would only slow each other down.
            drop(shared.lock().unwrap_or_else(PoisonError::into_inner).take());
            conclude(catch_unwind(AssertUnwindSafe(test))).map_err(Failed::from)
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

/// Why a test could not run here.
struct Skipped(String);

/// Ends a test that cannot run on this machine. It counts as ignored and as nothing else, and this reason, which is one line,
/// stands behind its name.
pub fn skip(reason: &str) -> ! {
    let words: Vec<&str> = reason.split_whitespace().collect();
    // Unlike a panic it is nothing to report.
    resume_unwind(Box::new(Skipped(words.join(" "))))
}

/// What came of a test that ended like this; what to say if it failed.
fn conclude(ended: Result<(), Box<dyn Any + Send>>) -> Result<Completion, String> {
    let Err(panic) = ended else {
        return Ok(Completion::Completed);
    };
    match panic.downcast::<Skipped>() {
        Ok(skipped) => Ok(Completion::ignored_with(skipped.0)),
        Err(panic) => Err(message(panic.as_ref())),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked").to_owned()
}
