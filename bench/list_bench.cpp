// SPDX-License-Identifier: Apache-2.0
// Lists: loading 1,000,000 domains from a file, and asking for names and addresses.
//   warm: 1,000 names again and again, tables in the caches.
//   cold: 2,000,000 names in random order, laid out one after the other so that reading them costs little; between two uses of one cache line
//   of the table (about 40 MB) all the others are used, so that neither the second nor (mostly) the third level holds it.
// `memory_MB`: what the index takes; `peak_MB`: how far the process's memory rose above what it was while the list was loading.
#include "policy/lists/lists.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace sluice::policy;
using sluice::Diagnostics;
using sluice::IpAddress;
using sluice::IpNetwork;

constexpr std::size_t listed = 1'000'000;

// Names of the kind that lists of advertisers and trackers hold; about 20 bytes, 2 to 4 labels.
std::string make_name(std::mt19937_64& random) {
    static constexpr std::array<std::string_view, 40> words{
        "ad",     "ads",  "track", "click", "stat",   "metric", "pixel", "banner", "cdn",  "media", "shop", "news", "play", "game",
        "cloud",  "mail", "login", "bank",  "secure", "data",   "api",   "img",    "web",  "site",  "blog", "best", "free", "top",
        "online", "my",   "go",    "app",   "push",   "sync",   "event", "log",    "serv", "host",  "net",  "live"};
    static constexpr std::array<std::string_view, 12> ends{"com", "com", "com",   "com",  "net", "org",
                                                           "ru",  "de",  "co.uk", "info", "xyz", "top"};
    std::string out;
    if (random() % 3 == 0) out += std::string(words[random() % words.size()]) + std::to_string(random() % 100) + ".";
    out += words[random() % words.size()];
    if (random() % 2 == 0) out += "-";
    out += words[random() % words.size()];
    for (auto n = 2 + random() % 4; n > 0; --n) out += static_cast<char>('a' + random() % 26);
    return out + "." + std::string(ends[random() % ends.size()]);
}

const std::vector<std::string>& names() {
    static const std::vector<std::string> out = [] {
        std::mt19937_64 random(1);
        std::vector<std::string> all;
        all.reserve(listed);
        while (all.size() < listed) all.push_back(make_name(random));
        return all;
    }();
    return out;
}

class ListFile {
public:
    ListFile() : path_(std::filesystem::temp_directory_path() / ("sluice-list-bench-" + std::to_string(getpid()))) {
        std::ofstream out(path_);
        for (const std::string& name : names()) out << name << '\n';
    }
    ListFile(const ListFile&) = delete;
    ListFile& operator=(const ListFile&) = delete;
    ~ListFile() { std::filesystem::remove(path_); }
    ListSpec spec() const { return {"ads", ListType::domain, path_, {}, {}, {}}; }

private:
    std::string path_;
};

const ListFile& list_file() {
    static const ListFile file;
    return file;
}

std::shared_ptr<const Lists> load(const Lists* previous = nullptr) {
    Diagnostics said;
    const ListSpec spec = list_file().spec();
    return Lists::load({&spec, 1}, said, previous);
}

// Kilobytes of a line of /proc/self/status.
double status_kb(std::string_view key) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(key)) return std::strtod(line.c_str() + key.size() + 1, nullptr);
    return 0;
}
void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

void load_million_domains(benchmark::State& state) {
    (void)list_file();
    for (auto _ : state) {
        forget_peak();
        const double before = status_kb("VmRSS:");
        const auto lists = load();
        state.counters["peak_MB"] = (status_kb("VmHWM:") - before) / 1024;
        state.counters["memory_MB"] = static_cast<double>(lists->domains().memory_bytes()) / 1e6;
        state.counters["entries"] = static_cast<double>(lists->report(0).entries);
    }
}
BENCHMARK(load_million_domains)->Unit(benchmark::kMillisecond);

void reload_unchanged(benchmark::State& state) {
    const auto lists = load();
    for (auto _ : state) benchmark::DoNotOptimize(load(lists.get()));
}
BENCHMARK(reload_unchanged)->Unit(benchmark::kMicrosecond);

// Names to ask for, one after the other in memory.
struct Questions {
    std::string text;
    std::vector<std::uint32_t> ends;
    Questions(std::size_t count, bool in_list, std::uint64_t seed) {
        std::mt19937_64 random(seed);
        for (std::size_t i = 0; i < count; ++i) {
            const bool hit = in_list && random() % 2 == 0;
            const std::string& known = names()[random() % listed];
            text += hit ? "www." + known : "www." + make_name(random);
            ends.push_back(static_cast<std::uint32_t>(text.size()));
        }
    }
};

void ask(benchmark::State& state, const Questions& questions) {
    const auto lists = load();
    std::uint64_t bits = 0;
    std::size_t i = 0;
    std::uint32_t from = 0;
    std::size_t hits = 0;
    for (auto _ : state) {
        const std::uint32_t end = questions.ends[i];
        hits += lists->domains().lookup(std::string_view(questions.text).substr(from, end - from), {&bits, 1}) ? 1U : 0U;
        from = end;
        if (++i == questions.ends.size()) i = from = 0;
    }
    benchmark::DoNotOptimize(bits);
    state.counters["hits"] = static_cast<double>(hits) / static_cast<double>(state.iterations());
}
void domain_warm(benchmark::State& state) { ask(state, Questions(1'000, state.range(0) != 0, 2)); }
void domain_cold(benchmark::State& state) { ask(state, Questions(2'000'000, state.range(0) != 0, 3)); }
BENCHMARK(domain_warm)->ArgName("half_listed")->Arg(0)->Arg(1);
BENCHMARK(domain_cold)->ArgName("half_listed")->Arg(0)->Arg(1);

// 120,000 addresses, 42,000 networks of IPv4, 8,000 of IPv6.
IpIndex make_networks() {
    std::mt19937_64 random(4);
    IpIndex::Builder builder;
    for (int i = 0; i < 120'000; ++i) builder.add(IpNetwork(IpAddress::v4(static_cast<std::uint32_t>(random())), 32), 0);
    for (int i = 0; i < 42'000; ++i)
        builder.add(IpNetwork(IpAddress::v4(static_cast<std::uint32_t>(random())), static_cast<int>(15 + random() % 10)), 1);
    for (int i = 0; i < 8'000; ++i) {
        std::array<std::uint8_t, 16> bytes{0x2a, static_cast<std::uint8_t>(random() % 16), static_cast<std::uint8_t>(random()),
                                           static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(random())};
        builder.add(IpNetwork(IpAddress::v6(bytes), static_cast<int>(32 + random() % 17)), 2);
    }
    return std::move(builder).build();
}

void address(benchmark::State& state) {
    const IpIndex index = make_networks();
    std::mt19937_64 random(5);
    std::vector<IpAddress> questions;
    for (std::size_t i = 0; i < 1'000'000; ++i) {
        if (state.range(0) == 4) {
            questions.push_back(IpAddress::v4(static_cast<std::uint32_t>(random())));
        } else {
            std::array<std::uint8_t, 16> bytes{0x2a, static_cast<std::uint8_t>(random() % 16), static_cast<std::uint8_t>(random()),
                                               static_cast<std::uint8_t>(random())};
            bytes[15] = 1;
            questions.push_back(IpAddress::v6(bytes));
        }
    }
    std::uint64_t bits = 0;
    std::size_t i = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(index.lookup(questions[i], {&bits, 1}));
        if (++i == questions.size()) i = 0;
    }
    state.counters["memory_MB"] = static_cast<double>(index.memory_bytes()) / 1e6;
}
BENCHMARK(address)->ArgName("v")->Arg(4)->Arg(6);

}  // namespace
