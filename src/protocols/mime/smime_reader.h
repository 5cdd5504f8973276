// SPDX-License-Identifier: Apache-2.0
// CMS as it comes in mail (S/MIME, RFC 8551): what is signed in it is a part, and an entity with a head and a body most often; what is encrypted is told.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "protocols/mime/mail_output.h"
#include "protocols/mime/signed_data.h"

namespace sluice::mime {

class PartContent;

class SmimeReader : SignedData::Listener {
public:
    // `outer`: the part that it is, which need not outlive it. `is_said`: its type says so too. `depth`: parts that it was found in. `output` outlives it.
    SmimeReader(const Part& outer, bool is_said, std::size_t depth, MailOutput& output);
    ~SmimeReader() override;
    SmimeReader(const SmimeReader&) = delete;
    SmimeReader& operator=(const SmimeReader&) = delete;

    void feed(std::string_view bytes) { data_.feed(bytes); }
    void finish();

    bool is_encrypted() const { return data_.kind() == SignedData::Kind::encrypted; }

private:
    void on_content(std::string_view octets) override;

    Part part_;
    bool is_said_;
    std::size_t depth_;
    MailOutput& output_;
    SignedData data_;
    std::unique_ptr<PartContent> content_;
};

}  // namespace sluice::mime
