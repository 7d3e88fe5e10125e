//! Sums up the stacks that were seen. Pure, and bounded: the application decides how its functions are called.

use std::collections::HashMap;

use super::answer::{ProfileSlice, SampledStack, StackFrame};

/// Most different frames and stacks that are kept apart.
const MAX_FRAMES: usize = 20_000;
const MAX_STACKS: usize = 4_000;

/// Stacks by their frames.
#[derive(Debug, Default)]
pub(super) struct StackCounts {
    frames: HashMap<StackFrame, u32>,
    stacks: HashMap<Vec<u32>, (u64, u64)>,
    /// Stacks of requests that were seen.
    pub(super) samples: u64,
    left_out_micros: u64,
}

impl StackCounts {
    /// Counts a stack, seen for this many microseconds.
    pub(super) fn add(&mut self, frames: Vec<StackFrame>, micros: u64, on_cpu: bool) {
        self.samples += 1;
        let mut key = Vec::with_capacity(frames.len());
        for frame in frames {
            let Some(number) = self.number_of(frame) else {
                self.left_out_micros += micros;
                return;
            };
            key.push(number);
        }
        if self.stacks.len() >= MAX_STACKS && !self.stacks.contains_key(&key) {
            self.left_out_micros += micros;
            return;
        }
        let (time, on_cpu_time) = self.stacks.entry(key).or_default();
        *time += micros;
        *on_cpu_time += if on_cpu { micros } else { 0 };
    }

    fn number_of(&mut self, frame: StackFrame) -> Option<u32> {
        let next = self.frames.len();
        if next >= MAX_FRAMES {
            return self.frames.get(&frame).copied();
        }
        let next = u32::try_from(next).ok()?;
        Some(*self.frames.entry(frame).or_insert(next))
    }

    /// The sum; what else the slice says is left as it is.
    pub(super) fn into_slice(self, slice: ProfileSlice) -> ProfileSlice {
        let mut frames: Vec<(StackFrame, u32)> = self.frames.into_iter().collect();
        frames.sort_by_key(|(_, number)| *number);
        let stacks = self.stacks.into_iter();
        ProfileSlice {
            samples: self.samples,
            frames: frames.into_iter().map(|(frame, _)| frame).collect(),
            stacks: stacks
                .map(|(frames, (micros, on_cpu_micros))| SampledStack {
                    frames,
                    micros,
                    on_cpu_micros,
                })
                .collect(),
            left_out_micros: self.left_out_micros,
            ..slice
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(functions: &[&str]) -> Vec<StackFrame> {
        let frame = |function: &&str| StackFrame {
            function: (*function).to_owned(),
            file: "main.py".to_owned(),
            line: 1,
        };
        functions.iter().map(frame).collect()
    }

    #[test]
    fn the_same_stack_is_counted_once_with_all_its_time() {
        let mut counts = StackCounts::default();
        counts.add(stack(&["query", "view"]), 10, false);
        counts.add(stack(&["view"]), 5, true);
        counts.add(stack(&["query", "view"]), 7, true);
        let slice = counts.into_slice(ProfileSlice::default());
        assert_eq!(slice.samples, 3);
        assert_eq!(slice.frames, stack(&["query", "view"]));
        let mut stacks = slice.stacks;
        stacks.sort_by_key(|stack| stack.micros);
        let times: Vec<_> = stacks
            .iter()
            .map(|stack| (stack.frames.clone(), stack.micros, stack.on_cpu_micros))
            .collect();
        assert_eq!(times, [(vec![1], 5, 5), (vec![0, 1], 17, 7)]);
    }

    #[test]
    fn what_has_no_room_is_told() {
        let mut counts = StackCounts::default();
        for number in 0..=MAX_STACKS {
            counts.add(stack(&[&number.to_string()]), 1, false);
        }
        // A known one has room.
        counts.add(stack(&["0"]), 1, false);
        let slice = counts.into_slice(ProfileSlice::default());
        assert_eq!(slice.stacks.len(), MAX_STACKS);
        assert_eq!(slice.left_out_micros, 1);
    }
}
