//! Starting with the session: one file, made and removed here, and nowhere else.
//!
//! Sources: Desktop Application Autostart Specification 0.5 (XDG); `launchd.plist(5)` of macOS.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the entry is, and what it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autostart {
    file: PathBuf,
    text: String,
}

impl Autostart {
    /// On this system; none where a program is not started by a file.
    ///
    /// * `config` — the folder of configurations: `$XDG_CONFIG_HOME`, or `~/Library` on macOS.
    /// * `program`, `home` — what is started, on which folder.
    #[must_use]
    pub fn here(config: &Path, program: &Path, home: &Path) -> Option<Self> {
        if cfg!(target_os = "macos") {
            Some(Self::launch_agent(config, program, home))
        } else if cfg!(target_os = "linux") {
            Some(Self::desktop_entry(config, program, home))
        } else {
            None
        }
    }

    /// By a desktop entry in `config/autostart`.
    #[must_use]
    pub fn desktop_entry(config: &Path, program: &Path, home: &Path) -> Self {
        let exec = [program, Path::new("--hidden"), Path::new("--home"), home];
        let exec: Vec<String> = exec.iter().map(|word| quoted(&word.to_string_lossy())).collect();
        let text = format!(
            "[Desktop Entry]\nType=Application\nName=Sahakar\nExec={}\nIcon=sahakar-desktop\nTerminal=false\n\
             X-GNOME-Autostart-enabled=true\n",
            exec.join(" ")
        );
        Self { file: config.join("autostart/sahakar-desktop.desktop"), text }
    }

    /// By a launch agent in `library/LaunchAgents`.
    #[must_use]
    pub fn launch_agent(library: &Path, program: &Path, home: &Path) -> Self {
        let words = [program, Path::new("--hidden"), Path::new("--home"), home];
        let words: String = words
            .iter()
            .map(|word| format!("<string>{}</string>", escaped(&word.to_string_lossy())))
            .collect();
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\"><dict><key>Label</key><string>org.sahakar.desktop</string>\
             <key>ProgramArguments</key><array>{words}</array><key>RunAtLoad</key><true/></dict></plist>\n"
        );
        Self { file: library.join("LaunchAgents/org.sahakar.desktop.plist"), text }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether the program starts with the session: the file says so, whoever wrote it.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.file.exists()
    }

    /// Writes or removes the file.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn set(&self, on: bool) -> io::Result<()> {
        if !on {
            return match fs::remove_file(&self.file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = self.file.with_extension("new");
        fs::write(&new, &self.text)?;
        fs::rename(&new, &self.file)
    }
}

/// A word of `Exec` (Desktop Entry Specification 1.5, "The Exec key"): in quotation marks, `%` doubled, and every backslash
/// twice, since the value of a key is unescaped before the quotation is.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '`' | '$' => {
                text.push_str("\\\\");
                text.push(letter);
            }
            '\\' => text.push_str("\\\\\\\\"),
            '%' => text.push_str("%%"),
            '\n' => text.push_str("\\n"),
            _ => text.push(letter),
        }
    }
    text.push('"');
    text
}

fn escaped(word: &str) -> String {
    word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
