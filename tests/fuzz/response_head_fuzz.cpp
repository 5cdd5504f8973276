// SPDX-License-Identifier: Apache-2.0
// A response head: where it is cut makes no difference, and what was accepted, written anew, is read the same again.
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

bool same(const ResponseHead& a, const ResponseHead& b) {
    if (a.status != b.status || a.reason != b.reason || a.version != b.version || a.body != b.body ||
        a.content_length != b.content_length || a.keep_alive != b.keep_alive || a.upgrade_websocket != b.upgrade_websocket ||
        a.connection.names != b.connection.names || a.fields.size() != b.fields.size())
        return false;
    for (std::size_t i = 0; i < a.fields.size(); ++i)
        if (a.fields.all()[i].name != b.fields.all()[i].name || a.fields.all()[i].value != b.fields.all()[i].value) return false;
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    static constexpr std::string_view methods[] = {"GET", "HEAD", "CONNECT", "POST"};
    const std::string_view method = methods[data[0] & 3];
    const std::size_t step = (data[0] >> 2) % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Limits limits;
    limits.header_bytes = 512;
    limits.header_fields = 12;

    ResponseParser whole(limits);
    ResponseHead head;
    const auto taken = whole.parse(text, method, head);

    ResponseParser pieces(limits);
    ResponseHead other;
    Result<std::optional<std::size_t>> got = std::nullopt;
    std::vector<char> buffer;
    for (std::size_t have = std::min(step, text.size());; have = std::min(have + step, text.size())) {
        buffer = std::vector<char>(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(have));
        got = pieces.parse({buffer.data(), buffer.size()}, method, other);
        if (!got || *got || have == text.size()) break;
    }
    require(taken.has_value() == got.has_value());
    if (!taken) {
        require(taken.error().what == got.error().what && taken.error().code == got.error().code && taken.error().side == Side::server);
        return 0;
    }
    require(*taken == *got);
    if (!*taken) return 0;
    require(same(head, other));
    require(head.status >= 100 && head.status <= 999);
    require(!(head.keep_alive && head.body.kind == Framing::Kind::until_close));

    std::string out;
    HeadWriter writer(out);
    writer.status_line(head.status, head.reason, head.version);
    for (const NameValue& line : head.fields.all()) writer.field(line.name, line.value);
    writer.end();
    limits.header_bytes = out.size();
    ResponseParser parser(limits);
    ResponseHead again;
    const auto retaken = parser.parse(out, method, again);
    require(retaken && *retaken == out.size() && same(head, again));
    return 0;
}
