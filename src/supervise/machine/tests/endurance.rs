//! Invariants over long runs and random events: memory does not grow, and every stop ends.

use proptest::prelude::*;

use super::*;

/// Everything that grows is printed by it.
fn size(service: &Machine) -> usize {
    format!("{service:?}").len()
}

#[test]
fn a_thousand_reloads_leave_nothing_behind() {
    let mut service = serving();
    let mut next_pid = 100;
    let (mut app_pid, mut proxy_pid) = (10, 20);
    let mut now = 10_000;
    let mut sizes = Vec::new();
    for n in 0..1000 {
        // Every second one is rolled back, and every fifth time the proxy crashes on the way.
        let spawned = reload(&mut service, Some(app()), vec![app(), proxy()], now);
        let &[Action::Spawn(canary)] = spawned.as_slice() else {
            panic!("{spawned:?}");
        };
        let (canary_pid, new_app_pid, new_proxy_pid) = (next_pid, next_pid + 1, next_pid + 2);
        next_pid += 3;
        service.on(Event::Spawned(canary, pid(canary_pid)), at(now + 100));
        let ready = deeds(service.on(Event::Ready(canary, pid(canary_pid)), at(now + 200)));
        let &[_, Action::Spawn(new_app), Action::Spawn(new_proxy)] = ready.as_slice() else {
            panic!("{ready:?}");
        };
        service.on(
            Event::Exited(pid(canary_pid), Exit::Signal(9)),
            at(now + 210),
        );
        service.on(Event::Spawned(new_app, pid(new_app_pid)), at(now + 210));
        service.on(Event::Spawned(new_proxy, pid(new_proxy_pid)), at(now + 210));
        service.on(Event::Ready(new_proxy, pid(new_proxy_pid)), at(now + 220));
        if n % 2 == 0 {
            service.on(Event::Ready(new_app, pid(new_app_pid)), at(now + 300));
            service.on(Event::Timer, at(now + 1000));
            for old in [app_pid, proxy_pid] {
                service.on(Event::Exited(pid(old), Exit::Code(0)), at(now + 1100));
            }
            (app_pid, proxy_pid) = (new_app_pid, new_proxy_pid);
        } else {
            service.on(
                Event::Exited(pid(new_app_pid), Exit::Code(22)),
                at(now + 300),
            );
            service.on(Event::Timer, at(now + 1000));
            service.on(
                Event::Exited(pid(new_proxy_pid), Exit::Code(0)),
                at(now + 1100),
            );
        }
        if n % 5 == 0 {
            let crashed = service.on(
                Event::Exited(pid(proxy_pid), Exit::Signal(11)),
                at(now + 2000),
            );
            let survivors = crashed.iter().find_map(|action| {
                if let Action::AdoptSurvivors { survivors, .. } = action {
                    return Some(*survivors);
                }
                None
            });
            let proxy = service.serving(Role::Proxy).unwrap();
            proxy_pid = next_pid;
            next_pid += 1;
            service.on(Event::Timer, at(now + 3000));
            service.on(Event::Spawned(proxy, pid(proxy_pid)), at(now + 3000));
            service.on(Event::Ready(proxy, pid(proxy_pid)), at(now + 3100));
            service.on(Event::Timer, at(now + 4000));
            service.on(Event::SurvivorsGone(survivors.unwrap()), at(now + 4100));
        }
        now += 1_000_000;
        service.on(Event::Timer, at(now));
        assert!(
            service.is_ready() && !service.is_reloading(),
            "{n}: {service:?}"
        );
        assert_eq!(service.children().count(), 2, "{n}: {service:?}");
        sizes.push(size(&service));
    }
    let (early, late) = (sizes[20], sizes[999]);
    assert!(
        late < early + 100,
        "{early} characters grew to {late}: {service:?}"
    );
}

/// A simulated environment that carries out actions late or never, and crashes processes, as the numbers say.
struct World {
    service: Machine,
    now: u64,
    next_pid: i32,
    /// Live processes with the child that they belong to, and whether they are survivors.
    living: Vec<(ChildId, i32, bool)>,
    spawning: Vec<ChildId>,
    preparing: bool,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            service: service(),
            now: 0,
            next_pid: 100,
            living: Vec::new(),
            spawning: Vec::new(),
            preparing: false,
        };
        world.on(Event::Start);
        world
    }

    fn on(&mut self, event: Event) {
        for action in self.service.on(event, at(self.now)) {
            if let Action::Spawn(id) = action {
                self.spawning.push(id);
            } else if let Action::AdoptSurvivors {
                survivors, group, ..
            } = action
            {
                self.living.push((survivors, group.as_raw(), true));
            } else if let Action::PrepareGeneration(_) = action {
                self.preparing = true;
            }
        }
    }

    fn step(&mut self, choice: u8, which: usize) {
        self.now += u64::from(choice) * 37;
        match choice % 12 {
            0 | 1 if !self.spawning.is_empty() => {
                let id = self.spawning.remove(0);
                if which.is_multiple_of(8) {
                    self.on(Event::SpawnFailed(id, SpawnFailure::Refused));
                } else {
                    self.next_pid += 1;
                    self.living.push((id, self.next_pid, false));
                    self.on(Event::Spawned(id, pid(self.next_pid)));
                }
            }
            2..=5 if !self.living.is_empty() => {
                let (id, process, _) = self.living[which % self.living.len()];
                self.on(Event::Ready(id, pid(process)));
            }
            6 if !self.living.is_empty() => {
                self.end(
                    which,
                    if which.is_multiple_of(2) {
                        Exit::Code(0)
                    } else {
                        Exit::Signal(9)
                    },
                );
            }
            7 if !self.living.is_empty() => {
                let (id, process, _) = self.living[which % self.living.len()];
                self.on(Event::Drained(id, pid(process)));
                self.on(Event::Hung(id, pid(process)));
                self.on(Event::NotReady(id, pid(process), "because".to_owned()));
            }
            8 => self.on(Event::ReloadRequested),
            9 if self.preparing => {
                self.preparing = false;
                let mut with_id = |spec| (self.service.new_id(), spec);
                let generation = NewGeneration {
                    canary: (which.is_multiple_of(3)).then(|| with_id(app())),
                    children: vec![with_id(app()), with_id(proxy())],
                    start_timeout: START_TIMEOUT,
                    stop_timeout: STOP_TIMEOUT,
                };
                self.on(Event::GenerationPrepared(generation));
            }
            10 if which.is_multiple_of(50) => self.on(Event::StopRequested),
            _ => self.on(Event::Timer),
        }
    }

    fn end(&mut self, which: usize, exit: Exit) {
        let (id, process, is_survivor) = self.living.remove(which % self.living.len());
        if is_survivor {
            self.on(Event::SurvivorsGone(id));
        } else {
            self.on(Event::Exited(pid(process), exit));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_happens_a_stop_ends_and_nothing_piles_up(
        steps in proptest::collection::vec((any::<u8>(), any::<usize>()), 0..300)
    ) {
        let mut world = World::new();
        for (choice, which) in steps {
            world.step(choice, which);
            // A child has a process, is about to have one, or waits for something that has a deadline.
            let children = world.service.children().count();
            prop_assert!(
                children <= 2 + world.living.len() + world.spawning.len() + 3,
                "{children} children, {} processes: {:?}", world.living.len(), world.service
            );
        }
        // Three requests to stop, and every process ends.
        for _ in 0..3 {
            world.now += 100;
            world.on(Event::StopRequested);
        }
        for _ in 0..1000 {
            if world.living.is_empty() && world.spawning.is_empty() {
                break;
            }
            if let Some(id) = world.spawning.pop() {
                world.on(Event::SpawnFailed(id, SpawnFailure::Refused));
            }
            if !world.living.is_empty() {
                world.end(0, Exit::Signal(9));
            }
        }
        prop_assert!(matches!(world.service.phase(), Phase::Done(_)), "{:?}", world.service);
        prop_assert_eq!(world.service.next_deadline(), None);
    }
}
