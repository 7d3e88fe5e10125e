//! The log as a whole: first the path of a source without a thread, then the threads with real
//! descriptors.

mod hostile;
mod live;
mod operator;
mod running;
mod stages;
mod stalled;
mod through;
mod traces;
mod uwsgi;
