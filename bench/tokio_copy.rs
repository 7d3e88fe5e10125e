//! A log path as a first draft has it, for bench/logs: tokio, a buffered reader, a line at a time.

use std::io;
use std::os::fd::AsFd as _;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::unix::pipe::{Receiver, Sender};

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(copy())
}

async fn copy() -> io::Result<()> {
    let from = Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let to = Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
    let mut lines = BufReader::new(from).lines();
    let mut to = BufWriter::new(to);
    while let Some(line) = lines.next_line().await? {
        to.write_all(line.as_bytes()).await?;
        to.write_all(b"\n").await?;
    }
    to.flush().await
}
