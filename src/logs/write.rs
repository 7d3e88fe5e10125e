//! The thread that writes to stdout, the only one that may wait for it.

use super::{
    Format,
    batch::Batch,
    counters::Count,
    outlet::Outlet,
    record::{Level, Source},
    render::Renderer,
    ring::Gap,
    shared::{Shared, Work},
    sink,
    stamp::Stamp,
};

/// Writes until there is nothing more.
pub(super) fn run(shared: &Shared, outlet: &Outlet, format: Format) {
    let mut renderer = Renderer::new(format, Source::Launcher);
    while let Some(Work { gap, batch }) = shared.next() {
        let told = gap.is_none_or(|gap| tell(shared, outlet, &mut renderer, gap));
        if !told && batch.count() == 0 {
            // The end, and nobody to tell what is missing.
            break;
        }
        let written = outlet.write(batch.bytes());
        shared.settle(batch, written, shared.now().wall);
    }
    shared.written(shared.now().wall);
}

/// Says what is missing, where it is missing; false when that could not be said.
fn tell(shared: &Shared, outlet: &Outlet, renderer: &mut Renderer, gap: Gap) -> bool {
    let now = shared.now().wall;
    let Count { lines, bytes } = gap.total();
    let mut since = Stamp::new();
    since.set(gap.since);
    let message =
        format!("Dropped {lines} log lines ({bytes} bytes), because stdout was not read.");
    let mut fields = vec![
        ("event", "log_dropped".into()),
        ("lines", lines.into()),
        ("bytes", bytes.into()),
        ("since", String::from_utf8_lossy(since.micros()).into()),
    ];
    for source in Source::ALL {
        let Count { lines, .. } = gap.sources[source.index()];
        if lines > 0 {
            fields.push((source.as_str(), lines.into()));
        }
    }
    let mut batch = Batch::default();
    sink::render(renderer, now, Level::Warn, &message, &fields, &mut batch);
    shared.admit(&batch);
    let written = outlet.write(batch.bytes());
    let told = written == batch.bytes().len();
    if !told {
        shared.restore_gap(gap);
    }
    shared.settle(batch, written, now);
    told
}
