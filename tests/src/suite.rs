//! Tests that share one boot, one after the other.
//!
//! The appliance is booted when the first test needs it. A test that fails shows everything the
//! appliance printed, and the next one begins with a fresh boot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::appliance::{Appliance, Boot};

/// A list of tests.
pub struct Suite {
    shared: Arc<Mutex<Option<Appliance>>>,
    boot: Boot,
    trials: Vec<Trial>,
}

impl Suite {
    /// A suite whose tests share an appliance booted by `boot`.
    pub fn new(boot: Boot) -> Self {
        Self {
            shared: Arc::default(),
            boot,
            trials: Vec::new(),
        }
    }

    /// Adds a test on the shared appliance.
    pub fn test(&mut self, name: &str, test: impl FnOnce(&mut Appliance) + Send + 'static) {
        let (shared, boot) = (Arc::clone(&self.shared), self.boot.clone());
        self.trials.push(Trial::test(name, move || {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let run = AssertUnwindSafe(|| {
                let running = shared.take().filter(Appliance::is_running);
                test(shared.insert(running.unwrap_or_else(|| boot.start())));
            });
            catch_unwind(run).map_err(|panic| {
                let mut message = message(panic.as_ref());
                if let Some(mut appliance) = shared.take() {
                    message = format!("{message}\n{}", appliance.transcript());
                }
                Failed::from(message)
            })
        }));
    }

    /// Adds a test that boots for itself.
    pub fn test_alone(&mut self, name: &str, test: impl FnOnce() + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        self.trials.push(Trial::test(name, move || {
            // Two appliances at once would only slow each other down.
            drop(shared.lock().unwrap_or_else(PoisonError::into_inner).take());
            catch_unwind(AssertUnwindSafe(test)).map_err(|panic| message(panic.as_ref()).into())
        }));
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
