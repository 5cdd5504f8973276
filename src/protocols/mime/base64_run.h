// SPDX-License-Identifier: Apache-2.0
// Octets that look like base64, decoded: a part once there are enough of them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "protocols/mime/base64_decoder.h"
#include "protocols/mime/mail_output.h"
#include "protocols/mime/part_content.h"

namespace sluice::mime {

class MailSweep;

class Base64Run {
public:
    // `depth`: of base64 within base64, this one not counted. `output` outlives it.
    Base64Run(std::size_t depth, MailOutput& output);
    ~Base64Run();
    Base64Run(const Base64Run&) = delete;
    Base64Run& operator=(const Base64Run&) = delete;

    void feed(std::string_view encoded);
    // What comes is of another one.
    void end();

private:
    void decode(std::string_view encoded);

    std::size_t depth_;
    MailOutput& output_;
    std::string pending_;  // too little for a part, as yet
    Base64Decoder decoder_;
    std::unique_ptr<PartContent> content_;
    std::unique_ptr<MailSweep> within_;  // a message, or a part of one, that was encoded
};

}  // namespace sluice::mime
