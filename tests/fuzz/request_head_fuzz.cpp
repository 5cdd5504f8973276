// SPDX-License-Identifier: Apache-2.0
// A request head: where it is cut makes no difference, and what was accepted, written anew, is read the same again.
#include "protocols/http1/encoder.h"
#include "protocols/http1/head_parser.h"

#include <cstdlib>
#include <string>
#include <vector>

using namespace sluice;
using namespace sluice::http1;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

bool same(const RequestHead& a, const RequestHead& b) {
    if (a.method != b.method || a.target != b.target || a.form != b.form || a.version != b.version || a.body != b.body ||
        a.keep_alive != b.keep_alive || a.expects_continue != b.expects_continue || a.unknown_expectation != b.unknown_expectation ||
        a.upgrade_websocket != b.upgrade_websocket || a.connection.names != b.connection.names || a.fields.size() != b.fields.size())
        return false;
    for (std::size_t i = 0; i < a.fields.size(); ++i)
        if (a.fields.all()[i].name != b.fields.all()[i].name || a.fields.all()[i].value != b.fields.all()[i].value ||
            a.fields.known(i) != b.fields.known(i))
            return false;
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Limits limits;
    limits.header_bytes = 512;
    limits.request_target = 128;
    limits.header_fields = 12;

    RequestParser whole(limits);
    RequestHead head;
    const auto taken = whole.parse(text, head);

    // In pieces, each in a buffer of its own, so that no view may stay behind.
    RequestParser pieces(limits);
    RequestHead other;
    Result<std::optional<std::size_t>> got = std::nullopt;
    std::vector<char> buffer;
    for (std::size_t have = std::min(step, text.size());; have = std::min(have + step, text.size())) {
        buffer = std::vector<char>(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(have));
        got = pieces.parse({buffer.data(), buffer.size()}, other);
        if (!got || *got || have == text.size()) break;
    }
    require(taken.has_value() == got.has_value());
    if (!taken) {
        require(taken.error().what == got.error().what && taken.error().code == got.error().code && taken.error().side == Side::client);
        return 0;
    }
    require(*taken == *got);
    if (!*taken) return 0;
    require(**taken <= text.size() && text.substr(0, **taken).ends_with("\r\n\r\n"));
    require(same(head, other));

    std::string out;
    HeadWriter writer(out);
    writer.request_line(head.method, head.target, head.version);
    for (const NameValue& line : head.fields.all()) {
        require(is_token(line.name) && is_field_value(line.value));
        writer.field(line.name, line.value);
    }
    writer.end();
    limits.header_bytes = out.size();    // ": " may be longer than what came
    RequestParser parser(limits);
    RequestHead again;
    const auto retaken = parser.parse(out, again);
    require(retaken && *retaken == out.size() && same(head, again));
    return 0;
}
