//! What fingers type that know a shell and other systems: what does it here, or why nothing does.
//!
//! Called by the grammar for what is no command of ours. Nothing is guessed here: each word has its own answer.

use crate::error::Mistake;
use crate::suggest::Near;
use crate::text::clipped;

/// What somebody is told.
#[derive(Clone, Copy)]
enum Answer {
    /// This command does it.
    Here(&'static str),
    /// Why there is none, and how it is done.
    Told(&'static str),
}

use Answer::{Here, Told};

const NOTHING_TO_LEAVE: Answer =
    Told("there is nothing to log out of; Ctrl-] leaves './run.sh console', Ctrl-A x ends QEMU");
const NO_SHELL: Answer =
    Told("there is no shell here; loop on your side, around './run.sh console --command TEXT'");
const NO_USERS: Answer = Told("there are no users here: whoever types has every right");
const NO_PROGRAMS: Answer =
    Told("no programs run here; 'help' lists the commands, 'show turns' what the loop does");
const NO_EDITOR: Answer = Told(
    "files are not edited here; 'base64' takes one that is pasted, 'config show' prints a new start-up file",
);
const NO_FOLDERS: Answer = Told("there are no folders; 'ls' lists the files");
const NO_PAGER: Answer =
    Told("replies are not paged; '| grep TEXT' behind a command shows some of its lines");
const WATCH: Answer = Told(
    "'top' shows each second what passes; for others: watch ./run.sh console --command TEXT, on your side",
);

const ANSWERS: &[(&str, Answer)] = &[
    ("ifconfig", Here("ip addr")),
    ("arp", Here("ip neigh")),
    ("route", Here("ip route")),
    ("netstat", Here("show drops")),
    ("ss", Here("show drops")),
    ("tcpdump", Here("dump")),
    ("tshark", Here("dump")),
    ("uptime", Here("date")),
    ("man", Here("help")),
    ("halt", Here("poweroff")),
    ("shutdown", Here("poweroff")),
    ("uname", Here("version")),
    ("lspci", Here("report")),
    ("lscpu", Here("report")),
    ("dmidecode", Here("report")),
    ("free", Here("status")),
    ("vconfig", Here("ip link")),
    ("bridge", Here("evl net")),
    ("mii-tool", Here("ethtool")),
    (
        "dmesg",
        Told(
            "the log is not kept; 'config errors' and 'report' say what there is, 'reboot' prints it again",
        ),
    ),
    ("clear", Told("Ctrl-L clears the screen")),
    ("history", Told("the cursor keys bring the last lines back")),
    ("watch", WATCH),
    ("exit", NOTHING_TO_LEAVE),
    ("quit", NOTHING_TO_LEAVE),
    ("logout", NOTHING_TO_LEAVE),
    ("bye", NOTHING_TO_LEAVE),
    ("for", NO_SHELL),
    ("while", NO_SHELL),
    ("until", NO_SHELL),
    ("if", NO_SHELL),
    ("do", NO_SHELL),
    ("done", NO_SHELL),
    ("then", NO_SHELL),
    ("fi", NO_SHELL),
    ("sleep", NO_SHELL),
    ("time", NO_SHELL),
    ("export", NO_SHELL),
    ("alias", NO_SHELL),
    ("set", NO_SHELL),
    ("sh", NO_SHELL),
    ("bash", NO_SHELL),
    ("su", NO_USERS),
    ("ps", NO_PROGRAMS),
    ("kill", NO_PROGRAMS),
    ("systemctl", NO_PROGRAMS),
    ("modprobe", NO_PROGRAMS),
    ("insmod", NO_PROGRAMS),
    ("vi", NO_EDITOR),
    ("vim", NO_EDITOR),
    ("nano", NO_EDITOR),
    ("cd", NO_FOLDERS),
    ("pwd", NO_FOLDERS),
    ("mkdir", NO_FOLDERS),
    ("mount", NO_FOLDERS),
    ("more", NO_PAGER),
    ("less", NO_PAGER),
    (
        "grep",
        Told("it stands behind a command: show drops | grep vlan"),
    ),
];

/// What to say of a command that another system has and this one has not.
pub(crate) fn elsewhere(name: &str) -> Option<Mistake> {
    let &(_, answer) = ANSWERS.iter().find(|&&(known, _)| known == name)?;
    Some(match answer {
        Here(command) => Mistake::UnknownCommand {
            word: clipped(name),
            near: Near::from_iter([clipped(command)]),
        },
        Told(reason) => told(name, reason),
    })
}

/// What to say to `sudo` with this option and nothing behind it, which would begin a shell.
pub(crate) fn without_users(word: &str) -> Mistake {
    match NO_USERS {
        Told(reason) | Here(reason) => told(word, reason),
    }
}

/// What to say of a word by which a shell directs a reply elsewhere, or goes on with another command.
pub(crate) fn of_a_shell(word: &str) -> Option<Mistake> {
    let reason = match word {
        "&&" | "||" => {
            "';' stands between commands here; each is carried out whatever became of the last"
        }
        "&" => "commands are carried out one after the other; Ctrl-C ends one",
        word if word
            .trim_start_matches(['1', '2', '&'])
            .starts_with(['>', '<']) =>
        {
            "replies go to no file here; on your side: ./run.sh console --command TEXT >FILE"
        }
        _ => return None,
    };
    Some(told(word, reason))
}

fn told(word: &str, reason: &'static str) -> Mistake {
    Mistake::Needless {
        word: clipped(word),
        reason,
    }
}
