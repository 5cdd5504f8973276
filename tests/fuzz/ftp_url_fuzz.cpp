// SPDX-License-Identifier: Apache-2.0
// An ftp: URL's path and userinfo: what goes to a server ends no line and leads nowhere but below where it says.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocols/ftp/path.h"
#include "protocols/ftp/url_path.h"

namespace {

void expect(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sluice::ftp;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const TypedTarget typed = split_type(text);
    expect(text.starts_with(typed.target) && (typed.type == 0) == (typed.target.size() == text.size()));
    if (const auto path = parse_url_path(typed.target)) {
        expect(is_login_text(path->path));
        WorkingDirectory directory;
        directory.set("/home");
        const std::string resolved = directory.resolve(path->path);
        // Neither are there dot segments that a server would follow, nor a second reading.
        expect(resolved == (path->path.starts_with('/') ? path->path : path->path.empty() ? "/home" : "/home/" + path->path));
        std::string url = path->path.starts_with('/') ? "/%2F" : "/";
        for (std::size_t at = path->path.starts_with('/') ? 1 : 0; at < path->path.size();) {
            const std::size_t end = std::min(path->path.find('/', at), path->path.size());
            append_url_segment(url, std::string_view(path->path).substr(at, end - at));
            if (end < path->path.size()) url += '/';
            at = end + 1;
        }
        const auto again = parse_url_path(url);
        expect(again && again->path == path->path);
    }
    if (const auto login = parse_userinfo(text)) expect(is_login_text(login->user) && is_login_text(login->password));
    return 0;
}
