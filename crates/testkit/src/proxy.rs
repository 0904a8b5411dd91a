//! A network between a program and an engine, or between two programs, to be disturbed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What [`Weather::Slow`] adds to each way.
const DELAY: Duration = Duration::from_millis(100);

/// How a [`Proxy`] treats what passes through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    Fair,
    /// Connections stay, and nothing passes; it does once the weather is fair again.
    Silent,
    /// Requests reach the engine; the first answer of a connection ends it instead of reaching the program.
    LosesAnswers,
    /// Everything passes, 100 ms late, in either direction.
    Slow,
    /// Everything passes byte by byte, each in a packet of its own.
    Sliced,
    /// Whatever is sent ends the connection with a reset (RST), and reaches nobody.
    Resets,
    /// Connections on which something is sent stay silent for ever, also once the weather is fair again: the other
    /// end is gone without a word.
    HalfOpen,
}

/// Stands on a port of its own between a program and the engine behind it. Dropped, it ends all connections.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    target: String,
    sky: watch::Sender<Sky>,
    /// Holds the port until somebody is to listen on it.
    socket: Mutex<Option<TcpSocket>>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Proxy {
    /// In front of the engine that `url` names (`scheme://user:password@host:port/name`), and refusing connections
    /// until [`Proxy::listen`].
    ///
    /// # Panics
    /// When no port can be had or the URL has no host and port.
    pub fn refusing(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, target) = host.rsplit_once('@').map_or(("", host), |(user, target)| (user, target));
        // A port that is bound and not listened on refuses, and nobody else can take it.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let at = if user.is_empty() { "" } else { "@" };
        Self {
            url: format!("{scheme}://{user}{at}{address}{path}"),
            target: target.to_owned(),
            sky: watch::Sender::new(Sky { weather: Weather::Fair, age: 0 }),
            socket: Mutex::new(Some(socket)),
            tasks: Arc::default(),
        }
    }

    /// In front of the engine that `url` names, in fair weather.
    ///
    /// # Panics
    /// As [`Proxy::refusing`].
    pub fn new(url: &str) -> Self {
        let proxy = Self::refusing(url);
        proxy.listen();
        proxy
    }

    /// Accepts connections from now on.
    ///
    /// # Panics
    /// When the port can't be listened on.
    pub fn listen(&self) {
        let Some(socket) = self.socket.lock().expect("no test panics inside").take() else { return };
        let listener = socket.listen(1024).expect("a bound port");
        let (target, sky) = (self.target.clone(), self.sky.subscribe());
        let tasks = Arc::clone(&self.tasks);
        let accept = accept(listener, target, sky, Arc::downgrade(&tasks));
        self.tasks.lock().expect("no test panics inside").spawn(accept);
    }

    /// The engine's URL through here.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes the weather, for the connections that there are as well.
    pub fn becomes(&self, weather: Weather) {
        self.sky.send_modify(|sky| sky.weather = weather);
    }

    /// The connections that there are stay silent for ever, as after the death of a machine or of the network's
    /// memory; those that are made from now on have fair weather.
    pub fn forgets(&self) {
        self.sky.send_modify(|sky| *sky = Sky { weather: Weather::Fair, age: sky.age + 1 });
    }
}

/// The weather for all connections of this age or younger; older ones are silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sky {
    weather: Weather,
    age: u64,
}

impl Sky {
    fn over(self, age: u64) -> Weather {
        if age == self.age { self.weather } else { Weather::Silent }
    }
}

type Tasks = std::sync::Weak<Mutex<JoinSet<()>>>;

async fn accept(listener: TcpListener, target: String, sky: watch::Receiver<Sky>, tasks: Tasks) {
    while let Ok((program, _)) = listener.accept().await {
        let Some(tasks) = tasks.upgrade() else { return };
        let connection = pass(program, target.clone(), sky.clone());
        tasks.lock().expect("no test panics inside").spawn(connection);
    }
}

async fn pass(mut program: TcpStream, target: String, sky: watch::Receiver<Sky>) {
    let age = sky.borrow().age;
    let Ok(mut engine) = TcpStream::connect(&target).await else { return };
    let _ = (program.set_nodelay(true), engine.set_nodelay(true));
    let (from_program, to_program) = program.split();
    let (from_engine, to_engine) = engine.split();
    tokio::select! {
        () = carry(from_program, to_engine, Over { sky: sky.clone(), age }, Way::There) => {}
        () = carry(from_engine, to_program, Over { sky, age }, Way::Back) => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// The sky over a connection.
struct Over {
    sky: watch::Receiver<Sky>,
    age: u64,
}

impl Over {
    /// The weather once something may pass; none once the proxy is gone.
    async fn weather(&mut self) -> Option<Weather> {
        let age = self.age;
        let sky = self.sky.wait_for(|sky| sky.over(age) != Weather::Silent).await;
        sky.ok().map(|sky| sky.over(age))
    }
}

/// Until one end closes the connection, or the weather does.
async fn carry(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut over: Over, way: Way) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let Some(now) = over.weather().await else { return };
        let Some(bytes) = bytes.get(..count) else { return };
        let passed = match now {
            Weather::LosesAnswers if way == Way::Back => return,
            Weather::Resets => {
                // With no time to linger, closing is a reset; dropped are both ends.
                let _ = (from.as_ref().set_zero_linger(), to.as_ref().set_zero_linger());
                return;
            }
            Weather::HalfOpen => std::future::pending().await,
            Weather::Sliced => in_slices(&mut to, bytes).await,
            Weather::Slow => {
                sleep(DELAY).await;
                to.write_all(bytes).await
            }
            Weather::Fair | Weather::Silent | Weather::LosesAnswers => to.write_all(bytes).await,
        };
        if passed.is_err() {
            return;
        }
    }
}

async fn in_slices(to: &mut WriteHalf<'_>, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        to.write_all(std::slice::from_ref(byte)).await?;
        // The other end gets to read what there is.
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says back what it hears, once.
    async fn echo() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await.unwrap();
                }
            }
        });
        (address, tasks)
    }

    #[tokio::test]
    async fn lets_pass_holds_and_loses() {
        let (address, _engine) = echo().await;
        let proxy = Proxy::refusing(&format!("echo://me:secret@{address}/name"));
        let here = proxy.url().strip_prefix("echo://me:secret@").unwrap().strip_suffix("/name").unwrap();
        assert!(TcpStream::connect(here).await.is_err());
        proxy.listen();
        let mut stream = TcpStream::connect(here).await.unwrap();
        let mut byte = [0];
        stream.write_all(&[7]).await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();

        proxy.becomes(Weather::Silent);
        stream.write_all(&[8]).await.unwrap();
        let silent = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_exact(&mut byte));
        assert!(silent.await.is_err());
        proxy.becomes(Weather::Fair);
        stream.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, [8]);

        proxy.becomes(Weather::LosesAnswers);
        stream.write_all(&[9]).await.unwrap();
        assert!(stream.read_exact(&mut byte).await.is_err());
    }

    #[tokio::test]
    async fn slows_slices_resets_and_falls_silent() {
        let (address, _engine) = echo().await;
        let proxy = Proxy::new(&format!("echo://{address}"));
        let here = proxy.url().strip_prefix("echo://").unwrap();
        let mut stream = TcpStream::connect(here).await.unwrap();
        let mut bytes = [0; 3];
        proxy.becomes(Weather::Slow);
        let began = tokio::time::Instant::now();
        stream.write_all(&[1, 2, 3]).await.unwrap();
        stream.read_exact(&mut bytes).await.unwrap();
        assert!(began.elapsed() >= 2 * DELAY && bytes == [1, 2, 3]);

        proxy.becomes(Weather::Sliced);
        stream.write_all(&[4, 5, 6]).await.unwrap();
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, [4, 5, 6]);

        proxy.becomes(Weather::Resets);
        stream.write_all(&[7]).await.unwrap();
        let reset = stream.read_exact(&mut bytes).await.unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);

        let mut stream = TcpStream::connect(here).await.unwrap();
        proxy.becomes(Weather::HalfOpen);
        stream.write_all(&[8]).await.unwrap();
        for weather in [Weather::HalfOpen, Weather::Fair] {
            proxy.becomes(weather);
            let silent = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut bytes));
            assert!(silent.await.is_err(), "{weather:?}");
        }
    }
}
