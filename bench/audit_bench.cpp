// SPDX-License-Identifier: Apache-2.0
// What one event costs a worker: building it, serialising it into its lane, and handing full chunks to a writer (which writes to /dev/null here).
#include "audit/event_json.h"
#include "audit/log.h"
#include "audit/metrics.h"

#include <benchmark/benchmark.h>

#include <unistd.h>
#include <ctime>
#include <string>

namespace {

using namespace sluice;
using namespace sluice::audit;

std::int64_t thread_cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Event typical(EventIds& ids, std::int64_t now_ns) {
    Event event;
    event.id = ids.next(now_ns / 1'000'000);
    event.start_ns = now_ns - 1'234'567;
    event.end_ns = now_ns;
    event.action = Action::allowed;
    event.rule_name = "allow-staff";
    event.listener = "127.0.0.1:3128";
    event.client = {IpAddress::v4(0x0a010203), 51234};
    event.client_bytes = 412;
    event.server_address = "www.example.org";
    event.server = IpPort{IpAddress::v4(0xc0000201), 80};
    event.server_bytes = 1340;
    event.url_scheme = "http";
    event.domain = "www.example.org";
    event.registered_domain = "example.org";
    event.url_port = 80;
    event.path = "/assets/application/main.bundle.js";
    event.query = "v=20260131&lang=en";
    event.extension = "js";
    event.method = "GET";
    event.referrer = "http://www.example.org/start/page.html?from=home";
    event.user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    event.http_version = "1.1";
    event.response_content_type = "application/javascript";
    event.status = 200;
    event.response_body_bytes = 1024;
    event.scan_verdict = "skipped";
    event.scan_reason = "no-engine";
    event.policy_ns = 420;
    event.upstream_ns = 1'100'000;
    return event;
}

void into_lane(benchmark::State& state) {
    LogOptions options;
    options.destination = "/dev/null";
    Log log(options, 1);
    Lane& lane = log.lane(0);
    lane.redact(std::make_shared<const Redaction>(std::vector<std::string>{"token", "password"}));
    if (!log.start()) return state.SkipWithError("cannot start the log");
    EventIds ids;
    std::int64_t now = 1'769'900'000'000'000'000;
    for (auto _ : state) {
        now += 10'000;
        benchmark::DoNotOptimize(lane.write(typical(ids, now)));
    }
    log.stop();
    state.counters["dropped"] = static_cast<double>(log.counters().dropped_full);
    state.counters["bytes_per_event"] =
        static_cast<double>(log.counters().bytes) / static_cast<double>(std::max<std::uint64_t>(log.counters().written, 1));
}
BENCHMARK(into_lane);

void encode_only(benchmark::State& state) {
    const Redaction redaction(std::vector<std::string>{"token", "password"});
    EventEncoder encoder;
    EventIds ids;
    std::string room(65'536, '\0');
    std::int64_t now = 1'769'900'000'000'000'000;
    for (auto _ : state) {
        now += 10'000;
        benchmark::DoNotOptimize(encoder.encode(typical(ids, now), redaction, room.data()));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(encode_only);

// All CPU of an event that ends in a file, the writer's thread included.
void into_file(benchmark::State& state) {
    char path[] = "/tmp/sluice-audit-bench-XXXXXX";
    const int descriptor = mkstemp(path);
    LogOptions options;
    options.destination = path;
    Log log(options, 1);
    if (descriptor < 0 || !log.start()) return state.SkipWithError("cannot start the log");
    EventIds ids;
    std::int64_t now = 1'769'900'000'000'000'000;
    timespec before{}, after{};
    const std::int64_t own_before = thread_cpu_ns();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (auto _ : state) {
        now += 10'000;
        while (!log.lane(0).has_room()) usleep(100);
        benchmark::DoNotOptimize(log.lane(0).write(typical(ids, now)));
    }
    const std::int64_t own = thread_cpu_ns() - own_before;
    log.stop();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    const auto all = static_cast<double>((after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec);
    const auto events = static_cast<double>(state.iterations());
    state.counters["worker_ns"] = static_cast<double>(own) / events;
    state.counters["process_ns"] = all / events;
    unlink(path);
    close(descriptor);
}
BENCHMARK(into_file)->Iterations(500'000);

void metrics_count(benchmark::State& state) {
    Metrics metrics(1);
    EventIds ids;
    const Event event = typical(ids, 1'769'900'000'000'000'000);
    for (auto _ : state) metrics.worker(0).count(event);
}
BENCHMARK(metrics_count);

}  // namespace
