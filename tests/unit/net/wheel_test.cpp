// SPDX-License-Identifier: Apache-2.0
#include "net/wheel.h"
#include "net/timer.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

class Probe final : public Deadline {
public:
    explicit Probe(Wheel& wheel, std::function<void()> call = {}) : Deadline(wheel), wheel_of_(wheel), call_(std::move(call)) {}
    std::uint64_t fired_at = 0;
    int fired = 0;

private:
    void on_expired() override {
        ++fired;
        fired_at = wheel_of_.now();
        if (call_) call_();
    }
    Wheel& wheel_of_;
    std::function<void()> call_;
};

void advance_to(Wheel& wheel, std::uint64_t tick) {
    while (wheel.now() < tick) wheel.advance(wheel.now() + 1);
}

TEST(Wheel, is_never_early_and_hardly_late) {
    for (const int ms : {0, 1, 99, 100, 101, 5'000, 102'300, 102'400, 250'000}) {
        Wheel wheel;
        wheel.advance(7);
        Probe probe(wheel);
        probe.expires_in(milliseconds(ms));
        advance_to(wheel, 7 + static_cast<std::uint64_t>(ms / 100) + 3);
        EXPECT_EQ(probe.fired, 1) << ms;
        EXPECT_GT((probe.fired_at - 7) * 100, static_cast<std::uint64_t>(ms)) << ms;
        EXPECT_FALSE(probe.is_set());
    }
}

TEST(Wheel, later_sooner_and_never) {
    Wheel wheel;
    Probe later(wheel);
    Probe sooner(wheel);
    Probe never(wheel);
    for (Probe* probe : {&later, &sooner, &never}) probe->expires_in(milliseconds(1'000));
    later.expires_in(milliseconds(3'000));
    sooner.expires_in(milliseconds(300));
    never.expires_never();
    advance_to(wheel, 5);
    EXPECT_EQ(sooner.fired, 1);
    advance_to(wheel, 31);
    EXPECT_EQ(later.fired, 0);
    advance_to(wheel, 32);
    EXPECT_EQ(later.fired, 1);
    advance_to(wheel, 3'000);
    EXPECT_EQ(never.fired + sooner.fired + later.fired, 2);
}

TEST(Wheel, extending_never_brings_a_deadline_nearer_nor_sets_one) {
    Wheel wheel;
    Probe far(wheel);
    Probe near(wheel);
    Probe unset(wheel);
    far.expires_in(milliseconds(500));                   // hangs there, and is looked at then
    far.expires_in(milliseconds(3'000));
    far.extend(milliseconds(500));
    near.expires_in(milliseconds(500));
    near.extend(milliseconds(3'000));
    unset.extend(milliseconds(500));
    EXPECT_FALSE(unset.is_set());
    advance_to(wheel, 31);
    EXPECT_EQ(far.fired + near.fired, 0);
    advance_to(wheel, 32);
    EXPECT_EQ(far.fired, 1);
    EXPECT_EQ(near.fired, 1);
}

TEST(Wheel, survives_a_loop_that_stood_still) {
    Wheel wheel;
    Probe soon(wheel);
    Probe far(wheel);
    soon.expires_in(milliseconds(100));
    far.expires_in(milliseconds(3'600'000));
    wheel.advance(5'000);
    EXPECT_EQ(soon.fired, 1);
    EXPECT_EQ(far.fired, 0);
    wheel.advance(40'000);
    EXPECT_EQ(far.fired, 1);
}

TEST(Wheel, nodes_may_go_and_come_while_it_turns) {
    Wheel wheel;
    auto victim = std::make_unique<Probe>(wheel);
    Probe renewed(wheel, [&] { renewed.expires_in(milliseconds(0)); });
    Probe killer(wheel, [&] { victim.reset(); });
    victim->expires_in(milliseconds(100));
    renewed.expires_in(milliseconds(100));
    killer.expires_in(milliseconds(100));
    advance_to(wheel, 3);
    EXPECT_EQ(victim, nullptr);
    EXPECT_EQ(killer.fired, 1);
    advance_to(wheel, 9);
    EXPECT_EQ(renewed.fired, 4);
}

TEST(Wheel, agrees_with_a_simple_model) {
    std::mt19937 random(1);
    Wheel wheel;
    std::vector<std::unique_ptr<Probe>> probes;
    std::vector<std::uint64_t> due;
    for (int i = 0; i < 50; ++i) {
        probes.push_back(std::make_unique<Probe>(wheel));
        due.push_back(0);
    }
    for (int step = 0; step < 20'000; ++step) {
        const std::size_t which = random() % probes.size();
        if (random() % 2 == 0) {
            const std::uint64_t ticks = random() % 3'000;
            probes[which]->expires_in(milliseconds(ticks * 100));
            due[which] = wheel.now() + ticks + 2;
        } else {
            wheel.advance(wheel.now() + random() % 20);
        }
        for (std::size_t i = 0; i < probes.size(); ++i) ASSERT_EQ(probes[i]->is_set(), due[i] > wheel.now()) << step;
    }
}

TEST(Timers, call_in_order_and_can_be_taken_back) {
    Timers timers;
    std::string order;
    Timer second(timers, [&] { order += '2'; });
    Timer first(timers, [&] { order += '1'; });
    Timer taken_back(timers, [&] { order += 'x'; });
    EXPECT_EQ(timers.next(), Timers::Clock::time_point::max());
    second.set(milliseconds(20));
    first.set(milliseconds(10));
    taken_back.set(milliseconds(5));
    taken_back.cancel();
    timers.run(Timers::Clock::now() + milliseconds(15));
    EXPECT_EQ(order, "1");
    timers.run(Timers::Clock::now() + milliseconds(25));
    EXPECT_EQ(order, "12");
}

}  // namespace
}  // namespace sluice::net
