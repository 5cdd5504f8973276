// SPDX-License-Identifier: Apache-2.0
// Lines of list files of every type, and what the indexes make of them: whatever was taken from a line is found again.
// The first byte picks the type; the rest is the file.
#include "policy/lists/domain_index.h"
#include "policy/lists/entry_text.h"
#include "policy/lists/ip_index.h"
#include "policy/lists/reader.h"
#include "policy/lists/string_index.h"
#include "policy/lists/url_index.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace sluice::policy;
using sluice::IpAddress;

void require(bool holds) {
    if (!holds) std::abort();
}

// Puts what a line gave into the builder of its type, and keeps it for the questions afterwards.
struct Collector {
    explicit Collector(ListType list_type) : type(list_type) {}

    ListType type;
    LineParser parser{type};
    DomainIndex::Builder domains;
    UrlIndex::Builder urls;
    StringIndex::Builder strings;
    IpIndex::Builder networks;
    std::vector<std::string> texts;
    std::vector<IpAddress> addresses;

    void take(std::string_view line) {
        if (parser.parse(line) != LineKind::entries) return;
        if (type == ListType::ip) {
            require(networks.add(parser.first(), parser.last(), 1));
            addresses.push_back(parser.first());
            addresses.push_back(parser.last());
            return;
        }
        require(!parser.entries().empty());
        for (const std::string_view entry : parser.entries()) {
            if (type == ListType::domain) domains.add(entry, 1);
            else if (type == ListType::url) urls.add(entry, 1);
            else strings.add(entry, 1);
            texts.emplace_back(entry);
        }
    }
};

void ask(Collector&& collected) {
    if (collected.type == ListType::ip) {
        const IpIndex index = std::move(collected.networks).build();
        for (const IpAddress& address : collected.addresses) require(index.contains(address, 1) && !index.contains(address, 0));
    } else if (collected.type == ListType::domain) {
        const DomainIndex index = std::move(collected.domains).build();
        for (const std::string& name : collected.texts)
            require(index.contains(name, 1) && index.contains("x." + name, 1) && !index.contains(name, 0));
    } else if (collected.type == ListType::url) {
        const UrlIndex index = std::move(collected.urls).build();
        for (const std::string& entry : collected.texts) {
            // Without a port an entry is read again as itself, and its URL is found.
            if (entry.find(':') != std::string::npos) continue;
            require(url_entry(entry).value_or("") == entry);
            const std::size_t slash = std::min(entry.find('/'), entry.size());
            require(index.contains(std::string_view(entry).substr(0, slash), std::string_view(entry).substr(slash), 0, 1));
        }
    } else {
        const StringIndex index = std::move(collected.strings).build();
        for (const std::string& text : collected.texts) require(index.contains(text, 1) && !index.contains(text, 0));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    Collector collected(static_cast<ListType>(data[0] % 5));
    // As a file, since that is what the reader reads: gzip by its first bytes.
    static const int file = memfd_create("list", 0);
    if (ftruncate(file, 0) != 0 || pwrite(file, data + 1, size - 1, 0) != static_cast<ssize_t>(size - 1)) return 0;
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    const auto result = read_lines(path, ReadBounds{.line = 256, .file = 1 << 20}, [&](std::string_view line, bool too_long) {
        require(line.size() <= 256 && line.find('\n') == std::string_view::npos);
        if (!too_long) collected.take(line);
    });
    (void)result;
    ask(std::move(collected));
    return 0;
}
