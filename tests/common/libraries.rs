//! Others' libraries for tests, of PyPI and npm: pinned by files in a test's folder, and installed once.

use super::ended;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a test's libraries are, with its scripts beside them.
pub struct Libraries {
    pub folder: PathBuf,
}

impl Libraries {
    /// Those that `requirements.txt`, `package.json` and `package-lock.json` in tests/NAME name, and further files of
    /// that folder.
    pub fn of(name: &str, files: &[&str]) -> Libraries {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        for file in ["requirements.txt", "package.json", "package-lock.json"].iter().chain(files) {
            fs::copy(from.join(file), folder.join(file)).unwrap();
        }
        let own = Libraries { folder };
        own.installed("requirements.txt", || {
            own.run("python3", &["-m", "venv", "--clear", "venv"]);
            let install = ["--quiet", "--no-input", "install", "--no-deps", "-r", "requirements.txt"];
            own.run("venv/bin/pip", &install);
        });
        own.installed("package-lock.json", || own.run("npm", &["ci", "--no-audit", "--no-fund"]));
        own
    }

    /// Installs what a file names, unless that was done by the same file.
    pub fn installed(&self, named: &str, install: impl FnOnce()) {
        let done = self.folder.join(format!("{named}.installed"));
        let wanted = fs::read(self.folder.join(named)).unwrap();
        if fs::read(&done).ok().as_ref() != Some(&wanted) {
            install();
            fs::write(done, wanted).unwrap();
        }
    }

    /// Runs a program in the folder; it must succeed.
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        ended(command).with_code(0);
    }
}
