// SPDX-License-Identifier: Apache-2.0
// One decision over 1,000 rules (40 % domain lists, 20 % path patterns, the rest on method, network and header) and 1,000,000 domains.
// warm:    names in turn from a set that the caches hold.
// cold:    names at random from 1,060,000; their index is larger than the last-level cache of the machines this was measured on, and no
//          name comes twice soon, so that each lookup goes to memory. Batches are picked, and their bytes read, outside of the measured time.
// evicted: everything, the program's own code included, is pushed out of the caches before each decision by walking 128 MiB; the median is
//          a counter, since the mean has the scheduler in it.
#include <benchmark/benchmark.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "policy/policy.h"

namespace {

using namespace sluice;
using namespace sluice::policy;

constexpr std::size_t domain_count = 1'000'000;
constexpr std::size_t list_count = 40;
constexpr std::size_t rule_count = 1'000;

std::string word(std::mt19937_64& random, std::size_t shortest, std::size_t longest) {
    std::string out(shortest + random() % (longest - shortest + 1), 'a');
    for (char& c : out) c = "etaoinshrdlucmfwypvbgkjqxz0123456789"[random() % (random() % 4 == 0 ? 36 : 16)];
    return out;
}

std::string domain(std::mt19937_64& random) {
    constexpr std::array<std::string_view, 8> ends{"com", "net", "org", "de", "co.uk", "info", "ru", "xyz"};
    std::string out = word(random, 5, 14) + "." + std::string(ends[random() % ends.size()]);
    if (random() % 2 == 0) out = word(random, 2, 8) + "." + out;
    return out;
}

Text text(std::string value) { return Text{std::move(value), {}, {}}; }

// The world that both measurements share: built once, since a million names take a while.
struct World {
    std::shared_ptr<const Policy> policy;
    std::vector<std::string> listed, unlisted, paths;
    double load_seconds = 0;
    std::size_t list_bytes = 0;

    World() {
        std::mt19937_64 random(42);
        const std::string folder = std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp";
        std::vector<std::string> files;
        PolicySource source;
        for (std::size_t i = 0; i < list_count; ++i) {
            files.push_back(fmt::format("{}/policy_bench_{}_{}.txt", folder, getpid(), i));
            std::ofstream file(files.back());
            for (std::size_t k = 0; k < domain_count / list_count; ++k) {
                listed.push_back(domain(random));
                file << listed.back() << '\n';
            }
            ListSource list{.name = text(fmt::format("list{}", i)),
                            .type = text("domain"),
                            .file = text(files.back()),
                            .values = {},
                            .place = {},
                            .source_line = {}};
            source.lists.push_back(std::move(list));
        }
        for (std::size_t i = 0; i < rule_count; ++i) source.rules.push_back(rule(i, random));
        for (std::size_t i = 0; i < 65'536; ++i) {
            unlisted.push_back(domain(random));
            paths.push_back("/" + word(random, 3, 9) + "/" + word(random, 3, 12) + "/" + word(random, 4, 16) + ".html");
        }
        std::ranges::shuffle(listed, random);
        Diagnostics diagnostics;
        const auto start = std::chrono::steady_clock::now();
        policy = Policy::compile(source, diagnostics, nullptr);
        load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        for (const std::string& file : files) std::remove(file.c_str());
        if (!policy) {
            for (const Diagnostic& diagnostic : diagnostics) std::fputs(to_string(diagnostic).c_str(), stderr);
            std::abort();
        }
        list_bytes = policy->lists().domains().memory_bytes();
    }

    static RuleSource rule(std::size_t i, std::mt19937_64& random) {
        RuleSource out;
        out.name = text(fmt::format("rule-{}", i));
        out.action = text("block");
        switch (i % 10) {
            // Half of these hold for any name of their list; the other half want something more, so that a listed name meets many candidates.
            case 0:
            case 1:
            case 2:
            case 3:
                out.when =
                    text(fmt::format("url.domain in @list{} and http.request.headers[\"x-department\"] == \"d{}\"", i % list_count, i));
                if (i > rule_count * 9 / 10) out.when = text(fmt::format("url.domain in @list{}", i % list_count));
                break;
            case 4: out.when = text(fmt::format("url.path contains \"/{}/\"", word(random, 5, 9))); break;
            case 5:
                out.when = text(i % 20 == 5 ? fmt::format("url.path starts_with \"/{}\"", word(random, 5, 9))
                                            : fmt::format(R"(url.path matches "/{}-[0-9]+\.exe$")", word(random, 5, 9)));
                break;
            case 6: out.when = text(fmt::format("http.request.method in {{\"M{}\", \"DELETE\"}} and url.port == {}", i, 1000 + i)); break;
            case 7: out.when = text(fmt::format("client.ip in 10.{}.{}.0/24 and http.request.method == \"PUT\"", i % 256, i / 256)); break;
            case 8: out.when = text(fmt::format("http.request.headers[\"x-tenant\"] == \"t{}\"", i)); break;
            default:
                out.when = text(
                    fmt::format("user_agent.original contains \"{}\" and not client.ip in 192.168.{}.0/24", word(random, 6, 10), i % 256));
                break;
        }
        return out;
    }
};

const World& world() {
    static const World instance;
    return instance;
}

struct Request {
    Request() {
        facts.set(Field::client_ip, *IpAddress::parse("10.1.2.3"));
        facts.set(Field::client_port, 40'000);
        facts.set(Field::request_method, "GET");
        facts.set(Field::http_version, "1.1");
        facts.set(Field::user_agent,
                  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36");
        facts.set(Field::url_port, 80);
        facts.set_headers(Field::request_header, headers);
    }
    const std::vector<NameValue> headers{{"Host", "example.com"},
                                         {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"},
                                         {"Accept", "text/html,application/xhtml+xml"},
                                         {"Accept-Encoding", "gzip, deflate, br"},
                                         {"Accept-Language", "en-US,en;q=0.5"},
                                         {"Cookie", "session=0123456789abcdef"},
                                         {"Referer", "http://example.com/index.html"},
                                         {"Connection", "keep-alive"}};
    Facts facts;
    Scratch scratch;
    Effects effects;
    RateLimits limits;

    Decision judge(const std::string& name, const std::string& path) {
        facts.set(Field::url_domain, name);
        facts.set(Field::url_path, path);
        return world().policy->evaluate(Phase::request, Protocol::http, facts, scratch, effects, limits, 0);
    }
};

void report(benchmark::State& state) {
    state.counters["load_s"] = world().load_seconds;
    state.counters["list_MB"] = static_cast<double>(world().list_bytes) / 1e6;
    state.counters["domains"] = static_cast<double>(world().policy->lists().domains().size());
}

void decide_warm(benchmark::State& state) {
    const World& all = world();
    Request request;
    std::size_t i = 0;
    std::size_t blocked = 0;
    for (auto _ : state) {
        const std::size_t k = i++ & 255;
        blocked += request.judge(k % 2 == 0 ? all.listed[k] : all.unlisted[k], all.paths[k]).action == Action::block;
    }
    state.counters["blocked"] = static_cast<double>(blocked) / static_cast<double>(i);
    report(state);
}
BENCHMARK(decide_warm);

// CPU time, not the clock on the wall: a busy machine must not look like a slow decision.
double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Asked {
    std::string name, path;
};
Asked pick(const World& all, std::mt19937_64& random) {
    const std::uint64_t k = random();
    return {k % 2 == 0 ? all.listed[(k >> 8) % all.listed.size()] : all.unlisted[(k >> 8) % all.unlisted.size()],
            all.paths[(k >> 40) % all.paths.size()]};
}

void decide_cold(benchmark::State& state) {
    constexpr std::size_t batch = 512;
    const World& all = world();
    Request request;
    std::mt19937_64 random(7);
    std::vector<Asked> asked(batch);
    for (auto _ : state) {
        for (Asked& one : asked) one = pick(all, random);
        const double start = cpu_seconds();
        for (const Asked& one : asked) benchmark::DoNotOptimize(request.judge(one.name, one.path));
        state.SetIterationTime((cpu_seconds() - start) / batch);
    }
    report(state);
}
BENCHMARK(decide_cold)->UseManualTime()->Iterations(2000);

void decide_evicted(benchmark::State& state) {
    const World& all = world();
    Request request;
    std::mt19937_64 random(8);
    std::vector<std::uint64_t> evict(128 * 1024 * 1024 / 8);
    std::vector<double> times;
    for (auto _ : state) {
        const Asked asked = pick(all, random);
        for (std::size_t line = 0; line < evict.size(); line += 8) evict[line] += line;
        // The request's own bytes were just read from the network.
        benchmark::DoNotOptimize(std::hash<std::string>{}(asked.name) ^ std::hash<std::string>{}(asked.path));
        for (const NameValue& header : request.headers) benchmark::DoNotOptimize(std::hash<std::string_view>{}(header.value));
        const auto start = std::chrono::steady_clock::now();
        benchmark::DoNotOptimize(request.judge(asked.name, asked.path));
        times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        state.SetIterationTime(times.back());
    }
    std::ranges::sort(times);
    state.counters["median_ns"] = times[times.size() / 2] * 1e9;
    report(state);
}
BENCHMARK(decide_evicted)->UseManualTime()->Iterations(300);

}  // namespace
