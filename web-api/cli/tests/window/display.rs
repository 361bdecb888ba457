//! A screen of the test's own: an X server without a monitor, a person's hands, and pictures of what is on it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use flate2::{Compression, Crc, write::ZlibEncoder};
use x11rb::{
    CURRENT_TIME,
    connection::Connection as _,
    protocol::{
        xproto::{
            BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConfigureWindowAux, ConnectionExt as _,
            ImageFormat, InputFocus, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT,
            MapState,
        },
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
};

/// Pixels of the screen.
const SIZE: [u16; 2] = [1_280, 800];
/// How long nothing moves on a screen that has settled.
const SETTLED: Duration = Duration::from_millis(250);
/// Looks at a screen on which something always moves.
const LOOKS_MAX: usize = 8;
/// What the server takes the shift key for.
const SHIFT: u32 = 0xffe1;
/// And the control key.
const CONTROL: u32 = 0xffe3;

/// A process that ends with the test.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill().is_err();
        self.0.wait().unwrap();
    }
}

/// Starts a server that says on its standard output where it is; none where it is not installed.
#[expect(
    clippy::disallowed_methods,
    reason = "whether a test may be left out is its environment's to say"
)]
pub(crate) fn start(mut call: Command) -> Option<(Ended, String)> {
    let Ok(mut child) = call.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
        assert!(std::env::var("SAHAKAR_REQUIRE_XVFB").is_err(), "{call:?} is not installed");
        eprintln!("left out: {call:?} is not installed");
        return None;
    };
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap().take(4_096)).read_line(&mut line).unwrap();
    Some((Ended(child), line.trim().to_owned()))
}

/// The screen.
pub(crate) struct Display {
    /// What `DISPLAY` is for programs on it.
    pub(crate) name: String,
    connection: RustConnection,
    root: u32,
    /// What each key is, with and without shift, from the first that the server knows.
    keys: (u8, usize, Vec<u32>),
    _server: Ended,
}

impl Display {
    /// Starts one; none where Xvfb is not installed.
    pub(crate) fn start() -> Option<Self> {
        let mut server = Command::new("Xvfb");
        let [width, height] = SIZE;
        server.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0"]);
        server.arg(format!("{width}x{height}x24"));
        let (server, number) = start(server)?;
        let name = format!(":{number}");
        let (connection, screen) = RustConnection::connect(Some(&name)).unwrap();
        let setup = connection.setup();
        let (first, count) = (setup.min_keycode, setup.max_keycode - setup.min_keycode + 1);
        let root = setup.roots[screen].root;
        let keys = connection.get_keyboard_mapping(first, count).unwrap().reply().unwrap();
        let keys = (first, usize::from(keys.keysyms_per_keycode), keys.keysyms);
        Some(Self { name, connection, root, keys, _server: server })
    }

    /// Gives the one window on the screen the whole of it, and the keyboard, as a window manager would; whether it is there.
    pub(crate) fn give_screen(&self) -> bool {
        let children = self.connection.query_tree(self.root).unwrap().reply().unwrap().children;
        let shown = |window: &u32| {
            let attributes = self.connection.get_window_attributes(*window).unwrap().reply();
            attributes.is_ok_and(|attributes| attributes.map_state == MapState::VIEWABLE)
        };
        let Some(window) = children.into_iter().find(shown) else { return false };
        let [width, height] = SIZE.map(u32::from);
        let place = ConfigureWindowAux::new().x(0).y(0).width(width).height(height);
        self.connection.configure_window(window, &place).unwrap().check().unwrap();
        let focus = self.connection.set_input_focus(InputFocus::POINTER_ROOT, window, CURRENT_TIME);
        focus.unwrap().check().is_ok()
    }

    fn fake(&self, kind: u8, detail: u8, [x, y]: [i16; 2]) {
        let sent = self.connection.xtest_fake_input(kind, detail, 0, self.root, x, y, 0);
        sent.unwrap().check().unwrap();
    }

    /// Moves the pointer.
    pub(crate) fn point(&self, at: [i16; 2]) {
        self.fake(MOTION_NOTIFY_EVENT, 0, at);
    }

    /// Clicks with the left button.
    pub(crate) fn click(&self, at: [i16; 2]) {
        self.point(at);
        self.fake(BUTTON_PRESS_EVENT, 1, at);
        self.fake(BUTTON_RELEASE_EVENT, 1, at);
    }

    /// The key of a symbol, and whether shift is held for it.
    fn key(&self, symbol: u32) -> (u8, bool) {
        let (first, width, symbols) = &self.keys;
        let at = |(key, level): (u8, usize)| symbols[usize::from(key) * width + level];
        let all = (0..=u8::MAX - first).flat_map(|key| [(key, 0), (key, 1)]);
        let mut all = all.filter(|(key, _)| usize::from(*key) * width < symbols.len());
        let (key, level) = all.find(|place| at(*place) == symbol).expect("the keyboard has it");
        (first + key, level == 1)
    }

    fn strike(&self, symbol: u32, held: Option<u32>) {
        let (key, shifted) = self.key(symbol);
        let held = held.or(shifted.then_some(SHIFT)).map(|symbol| self.key(symbol).0);
        // What is held goes down first and comes up last.
        let down = held.into_iter().chain([key]).map(|key| (KEY_PRESS_EVENT, key));
        let up = [key].into_iter().chain(held).map(|key| (KEY_RELEASE_EVENT, key));
        down.chain(up).for_each(|(kind, key)| self.fake(kind, key, [0, 0]));
    }

    /// Types over what is in the field that has the keyboard.
    pub(crate) fn type_over(&self, text: &str) {
        self.strike(u32::from('a'), Some(CONTROL));
        // The symbols of ASCII are their codes.
        text.bytes().for_each(|byte| self.strike(u32::from(byte), None));
    }

    fn pixels(&self) -> Vec<u8> {
        let ([width, height], form) = (SIZE, ImageFormat::Z_PIXMAP);
        let image = self.connection.get_image(form, self.root, 0, 0, width, height, u32::MAX);
        image.unwrap().reply().unwrap().data
    }

    /// Keeps a picture of the screen as a PNG file, once nothing on it moves any more, or soon after.
    ///
    /// What screen readers are told comes before the pixels.
    pub(crate) fn picture(&self, path: &Path) {
        let (mut pixels, [width, _]) = (Vec::new(), SIZE);
        for _ in 0..LOOKS_MAX {
            std::thread::park_timeout(SETTLED);
            let now = self.pixels();
            if std::mem::replace(&mut pixels, now) == pixels {
                break;
            }
        }
        let rows = pixels.chunks_exact(usize::from(width) * 4).flat_map(|row| {
            // Blue, green, red, nothing; before each row, that it is not filtered.
            [0].into_iter()
                .chain(row.chunks_exact(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]))
        });
        fs::write(path, png(SIZE.map(u32::from), &rows.collect::<Vec<u8>>())).unwrap();
    }
}

/// A picture of 8 bits for each of three colours; `rows` as PNG has them.
fn png([width, height]: [u32; 2], rows: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(rows).unwrap();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let chunks = [(b"IHDR", header), (b"IDAT", packed.finish().unwrap()), (b"IEND", Vec::new())];
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in chunks {
        png.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        let body = [&name[..], &data].concat();
        let mut crc = Crc::new();
        crc.update(&body);
        png.extend(&body);
        png.extend(crc.sum().to_be_bytes());
    }
    png
}
